/* The manual says what the table of keys says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "tui/keymap.h"

static void read_text(struct buf *out, const char *path)
{
	struct err err;

	if (file_read(out, path, 1 << 20, &err) < 0)
		fail_msg("%s", err.text);
}

/* "Ctrl" keys by name as the manual writes them: signs that mean something to it are behind \&.
 */
static bool has_key(const char *line, const char *key)
{
	size_t n = strlen(key);

	while (*line != '\0') {
		size_t k = strcspn(line, " ");
		const char *p = line;

		if (k >= 2 && p[0] == '\\' && p[1] == '&') {
			p += 2;
			k -= 2;
		}
		if (k == n && memcmp(p, key, n) == 0)
			return true;
		/* A backslash is written \e. */
		if (k == n + 1 && n > 1 && memcmp(p, key, n - 1) == 0 &&
		    memcmp(p + n - 1, "\\e", 2) == 0)
			return true;
		line = p + k;
		line += strspn(line, " ");
	}
	return false;
}

static void the_manual_has_every_action_with_its_keys(void **state)
{
	struct buf man = {0};
	struct keymap km;
	int n = 0;

	(void)state;
	read_text(&man, "man/dsv4chat.1");
	keymap_init(&km);
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		char item[80], line[200];
		const char *at;

		snprintf(item, sizeof(item), "\n.It Cm %s\n.Ql ",
			 action_row((enum action)a)->name);
		at = strstr(buf_z(&man), item);
		if (at == NULL)
			fail_msg("man/dsv4chat.1 has no action %s",
				 action_row((enum action)a)->name);
		at += strlen(item);
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		for (int k = 0; k < km.n[a]; k++) {
			char name[KEY_NAME_MAX];

			if (!has_key(line, key_name(km.keys[a][k], name)))
				fail_msg("man/dsv4chat.1: %s: \"%s\" lacks %s",
					 action_row((enum action)a)->name, line, name);
		}
	}
	for (const char *p = buf_z(&man); (p = strstr(p, "\n.It Cm ")) != NULL; p++) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + 8, "\n"), p + 8);
		if (strncmp(p + 8 + strlen(name), "\n.Ql ", 5) != 0)
			continue;
		if (action_find(str_of(name)) == ACTION_NONE)
			fail_msg("man/dsv4chat.1 has an action that is not there: %s", name);
		n++;
	}
	assert_int_equal(n, ACTION_N - 1);
	buf_release(&man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_has_every_action_with_its_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
