/*
 * Sending a message while each allocation fails once: the message goes out whole, or it stays
 * in the composer.
 */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/tui.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0 /* the sanitizers bring theirs */
#else
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
static long fail_at, n_calls; /* fail_at 0: none fails */

void *__libc_realloc(void *p, size_t n);

/* Everything that grows here grows by it. */
void *realloc(void *old, size_t n)
{
	if (fail_at && ++n_calls == fail_at) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(old, n);
}

static const char text[] =
	"a message that nobody wants to write again, longer than one block "
	"of a buffer that has just been made, and so a second one is asked for";

/* Sends `text` with allocation `at` failing; false where there were not so many. */
static bool send_with(struct tui *t, long at)
{
	struct key_event enter = {.kind = KEY_EVENT_KEY, .key = {.code = KEY_ENTER}};
	struct tui_intent in;
	int n_sent = 0;
	bool reached;

	tui_edit(t, 0, str_of(text));
	fail_at = at;
	n_calls = 0;
	tui_key(t, &enter);
	reached = n_calls >= at;
	fail_at = 0;
	while (tui_next_intent(t, &in)) {
		assert_int_equal(in.kind, TUI_SEND);
		assert_true(str_is(buf_str(&in.text), text));
		tui_intent_release(&in);
		n_sent++;
	}
	if (n_sent == 0 && !str_is(tui_draft(t), text))
		fail_msg("allocation %ld: the message is gone", at);
	assert_true(n_sent == 0 || tui_draft(t).n == 0);
	return reached;
}
#endif

static void a_message_is_never_lost_for_want_of_memory(void **state)
{
	(void)state;
#if OWN_MALLOC
	long n = 0;

	for (bool reached = true; reached; n++) {
		struct tui *t;
		struct err err;

		/* A new one each time: what has grown once would not ask again. */
		assert_int_equal(tui_new(&t, NULL, &err), 0);
		reached = send_with(t, n + 1);
		tui_free(t);
	}
	assert_true(n > 2);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_never_lost_for_want_of_memory),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
