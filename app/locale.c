/* Asking for the locale, and what to do without it. */
#include "app/locale.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool installed, asked_utf8;
static char asked_codeset[40];

static bool is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/*
 * One that is missing must not take the others along.  Numbers of options, of JSON and of what
 * programs read have a point, whatever the locale's: of these nothing is asked.
 */
static void ask_for_each(void)
{
	static const int kinds[] = {LC_CTYPE, LC_COLLATE, LC_MESSAGES, LC_TIME};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool is_there = setlocale(kinds[i], "") != NULL;

		if (kinds[i] == LC_CTYPE)
			installed = is_there;
	}
}

void locale_open(void)
{
	static const char *const own[] = {"C.UTF-8", "C.utf8", "POSIX.UTF-8", "en_US.UTF-8"};

	ask_for_each();
	asked_utf8 = is_utf8();
	snprintf(asked_codeset, sizeof(asked_codeset), "%s", nl_langinfo(CODESET));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]) && !is_utf8(); i++)
		setlocale(LC_CTYPE, own[i]);
}

/* LANG=de_DE.UTF-8, say: what decides about characters. */
static void add_asked(struct buf *out)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value) {
			buf_addf(out, "%s=%.60s", names[i], value);
			return;
		}
	}
	buf_addz(out, "no locale (LANG) is asked for, which");
}

enum locale_state locale_state(struct buf *why)
{
	if (why) {
		add_asked(why);
		if (!installed)
			buf_addz(why, " is not installed");
		else
			buf_addf(why, " is %s", asked_codeset);
	}
	if (!is_utf8())
		return LOCALE_NO_UTF8;
	if (asked_utf8)
		return LOCALE_ASKED;
	/* The C locale says nothing about the terminal. */
	return !installed || strcmp(asked_codeset, "ANSI_X3.4-1968") == 0 ? LOCALE_OWN
									  : LOCALE_OTHER;
}

bool locale_warning(struct buf *out)
{
	struct buf why = {0};
	enum locale_state state = locale_state(&why);

	if (state == LOCALE_NO_UTF8)
		buf_addf(out,
			 "%s, and C.UTF-8 isn't either: other than English letters do not show "
			 "here, but are sent and kept as they were typed",
			 buf_z(&why));
	else if (state == LOCALE_OTHER)
		buf_addf(out, "%s, but UTF-8 is what is read and shown here", buf_z(&why));
	buf_release(&why);
	return state == LOCALE_NO_UTF8 || state == LOCALE_OTHER;
}
