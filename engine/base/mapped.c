/* The table of mapped files: a slot's state is atomic, so that a signal handler may ask. */
#include "engine/base/mapped.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum slot_state { SLOT_FREE, SLOT_CHANGING, SLOT_LIVE };

struct slot {
	atomic_int state; /* enum slot_state; the other fields are still while it is LIVE */
	uintptr_t begin, end;
	char path[192];
};

static struct slot slots[MAPPED_MAX];

int mapped_add(const void *addr, size_t bytes, const char *path)
{
	size_t n = strlen(path);

	if (n >= sizeof(slots[0].path)) {
		path += n - (sizeof(slots[0].path) - 1);
		n = sizeof(slots[0].path) - 1;
	}
	for (int i = 0; i < MAPPED_MAX; i++) {
		struct slot *s = &slots[i];
		int expected = SLOT_FREE;

		if (!atomic_compare_exchange_strong(&s->state, &expected, SLOT_CHANGING))
			continue;
		s->begin = (uintptr_t)addr;
		s->end = s->begin + bytes;
		memcpy(s->path, path, n + 1);
		atomic_store(&s->state, SLOT_LIVE);
		return i;
	}
	return -1;
}

void mapped_remove(int handle)
{
	if (handle >= 0 && handle < MAPPED_MAX)
		atomic_store(&slots[handle].state, SLOT_FREE);
}

const char *mapped_find(const void *addr)
{
	uintptr_t a = (uintptr_t)addr;

	for (int i = 0; i < MAPPED_MAX; i++) {
		const struct slot *s = &slots[i];

		if (atomic_load(&s->state) != SLOT_LIVE)
			continue;
		if (a >= s->begin && a < s->end)
			return s->path;
	}
	return NULL;
}
