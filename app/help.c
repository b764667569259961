/* Rows of help, and words that are nearly the same. */
#include "app/help.h"

#include <string.h>

#define LETTERS_MAX 64

static int columns_of(struct str s)
{
	int n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

static void indent(struct buf *out, int from, int to)
{
	while (from++ < to)
		buf_addc(out, ' ');
}

void help_add(struct buf *out, const char *left, int at, const char *text)
{
	int column = columns_of(str_of(left));
	bool first = true;

	buf_addz(out, left);
	if (column > 0 && column >= at && *text) {
		buf_addc(out, '\n');
		column = 0;
	}
	while (*text) {
		struct str word = {text, strcspn(text, " ")};
		int n = columns_of(word);

		if (!first && column + 1 + n > HELP_COLUMNS) {
			buf_addc(out, '\n');
			column = 0;
			first = true;
		}
		if (first) {
			indent(out, column, at);
			column = at;
		} else {
			buf_addc(out, ' ');
			column++;
		}
		buf_adds(out, word);
		column += n;
		first = false;
		text += word.n;
		text += strspn(text, " ");
	}
	buf_addc(out, '\n');
}

int help_distance(const char *a, const char *b)
{
	int row[LETTERS_MAX];
	size_t n = strlen(b);

	if (n >= LETTERS_MAX || strlen(a) >= LETTERS_MAX)
		return LETTERS_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = (int)j;
	for (size_t i = 0; a[i]; i++) {
		int diagonal = row[0];

		row[0] = (int)i + 1;
		for (size_t j = 0; j < n; j++) {
			int change = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = row[j + 1] < row[j] ? row[j + 1] + 1 : row[j] + 1;
			if (change < row[j + 1])
				row[j + 1] = change;
		}
	}
	return row[n];
}
