/* Making and checking conversations' short names. */
#include "history/uid.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/base/clock.h"

/* No i, l, o, u: 32 signs, five bits each. */
static const char signs[] = "0123456789abcdefghjkmnpqrstvwxyz";

void uid_make(char out[HISTORY_UID_LEN + 1])
{
	unsigned char bytes[HISTORY_UID_LEN];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		/* Kernels without it are older than the program; the time still differs. */
		unsigned long long x = (unsigned long long)clock_wall_ms() * 1000000007ULL ^
				       (unsigned long long)clock_ns() * 2654435761ULL ^
				       (unsigned long long)getpid() << 40;

		for (int i = 0; i < HISTORY_UID_LEN; i++, x = x * 6364136223846793005ULL + 1)
			bytes[i] = (unsigned char)(x >> 56);
	}
	for (int i = 0; i < HISTORY_UID_LEN; i++)
		out[i] = signs[bytes[i] & 31];
	out[HISTORY_UID_LEN] = '\0';
}

bool uid_valid(struct str s)
{
	if (s.n != HISTORY_UID_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!s.p[i] || !strchr(signs, s.p[i]))
			return false;
	}
	return true;
}
