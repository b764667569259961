/* The code of a Markdown text, as it is to be copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tui/codeblock.h"

/* blocks: LANG:TEXT each, joined by '|' */
static const struct {
	const char *src, *blocks;
} cases[] = {
	{"no `code` block", ""},
	{"```make\na:\n\tcc\n\t\tx\n    \ty\n```", "make:a:\n\tcc\n\t\tx\n    \ty"},
	{"- so\n\n  ```\n  a:\n  \tcc\n\tx\n  ```", ":a:\n\tcc\n\tx"},
	{"So:\n\n1. do\n\n   ```make\n   all: x\n   \tcc -c x.c\n   ```\n",
	 "make:all: x\n\tcc -c x.c"},
	{"> ```\n> \tcc\n>\tx\n> ```", ":\tcc\n\tx"},
	{"\tone\n\t\ttwo\n\t  three", ":one\n\ttwo\n  three"},
	{"```\n\t\n \n\tx\n```", ":\n\n\tx"},
	{"", ""},
	{"so:\n\n```c\nint x;\n\treturn;\n```\nand", "c:int x;\n\treturn;"},
	{"```\na\n\nb\n```\n\n~~~sh x\nls *\n~~~", ":a\n\nb|sh:ls *"},
	{"1. one:\n\n   ```python\n   if x:\n       y()\n   ```\n2. two",
	 "python:if x:\n    y()"},
	{"> ```\n> quoted\n> ```", ":quoted"},
	{"    four\n      six", ":four\n  six"},
	{"````md\n```\ninner\n```\n````", "md:```\ninner\n```"},
	{"```c\nstill open", "c:still open"},
	{"```\n```", ":"},
	{"```\n&amp; **x** \\[y\\] $z$\n```", ":&amp; **x** \\[y\\] $z$"},
};

static void code_comes_without_what_marks_or_indents_its_block(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct codeblocks c = {0};
		struct buf got = {0};

		codeblocks_read(&c, str_of(cases[i].src));
		assert_false(c.failed);
		for (size_t k = 0; k < c.n; k++) {
			buf_addz(&got, k ? "|" : "");
			buf_adds(&got, buf_str(&c.v[k].lang));
			buf_addc(&got, ':');
			buf_adds(&got, buf_str(&c.v[k].text));
		}
		assert_string_equal(buf_z(&got), cases[i].blocks);
		buf_release(&got);
		codeblocks_release(&c);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_comes_without_what_marks_or_indents_its_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
