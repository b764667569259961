/* The rows of programs that only look, and their options taken apart. */
#include "app/tools/readonly_row.h"

#include <string.h>

/* ---- options ---- */

struct parse {
	const struct readonly_row *row;
	const struct readonly_look *look;
	size_t n_operands;
	bool pattern_said;  /* by an option */
	bool pattern_taken; /* for the first operand */
};

/* What follows the letter among a row's, or NULL. */
static const char *letter_of(const struct readonly_row *row, char c)
{
	const char *at;

	if (c >= '0' && c <= '9')
		c = '#';
	at = c == ':' ? NULL : strchr(row->letters, c);
	return at && c ? at + 1 : NULL;
}

/*
 * "-xyz"; *next: the value of the last is the word behind it.  Behind digits a letter may be no
 * option: head -5c is five bytes, and the word behind it a file.
 */
static bool take_letters(struct parse *p, struct str w, bool *next)
{
	bool digits = false;

	for (size_t i = 1; i < w.n; i++) {
		const char *kind = letter_of(p->row, w.p[i]);

		if (!kind)
			return false;
		digits = digits || (w.p[i] >= '0' && w.p[i] <= '9');
		p->pattern_said = p->pattern_said || w.p[i] == 'e';
		if (*kind != ':')
			continue;
		*next = i + 1 == w.n && kind[1] != ':';
		return !digits;
	}
	return true;
}

/* "--name" or "--name=value" */
static bool take_long(struct parse *p, struct str w, bool *next)
{
	const char *eq = memchr(w.p, '=', w.n), *at = p->row->longs;
	size_t n = (eq ? (size_t)(eq - w.p) : w.n) - 2;

	while (*at) {
		size_t len = strcspn(at, " "), bare = len;

		if (strchr("=?", at[len - 1]))
			bare--;
		if (bare == n && memcmp(at, w.p + 2, n) == 0) {
			p->pattern_said =
				p->pattern_said || (n == 6 && !memcmp(at, "regexp", n));
			*next = at[len - 1] == '=' && !eq;
			return !eq || bare < len;
		}
		at += len + (at[len] == ' ');
	}
	return false;
}

static bool take_operand(struct parse *p, const struct shell_word *w)
{
	size_t at = p->n_operands++;

	switch (p->row->operands) {
	case ARE_TEXT:
		return !w->glob;
	case ARE_NONE:
		return false;
	case ARE_ONE:
		if (at)
			return false;
		break;
	case ARE_PATTERN:
		if (!at && !p->pattern_said) {
			p->pattern_taken = true;
			return !w->glob;
		}
		break;
	case ARE_PATHS:
	case ARE_FILES:
		break;
	}
	return str_is(w->text, "-") ||
	       p->look->operand(p->look->ctx, w, p->row->operands == ARE_FILES);
}

bool readonly_take_words(const struct readonly_row *row, const struct shell_command *c,
			 size_t at, const struct readonly_look *look)
{
	struct parse p = {.row = row, .look = look};
	bool options = true, value = false;

	for (; at < c->n_words; at++) {
		const struct shell_word *w = &c->words[at];
		bool dashed = w->text.n > 1 && w->text.p[0] == '-', fine;

		if (value) {
			fine = !w->glob;
			value = false;
		} else if (!options || !dashed) {
			fine = take_operand(&p, w);
		} else if (str_is(w->text, "--")) {
			fine = true;
			options = false;
		} else if (w->text.p[1] == '-') {
			fine = !w->glob && take_long(&p, w->text, &value);
		} else {
			fine = !w->glob && take_letters(&p, w->text, &value);
		}
		if (!fine)
			return false;
	}
	/* An option that says a pattern makes a file of what was taken for one before it. */
	return !value && !(p.pattern_taken && p.pattern_said);
}

/* ---- programs with a way of their own ---- */

static bool is_in_list(struct str s, const char *list)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		if (n == s.n && memcmp(list, s.p, n) == 0)
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

static bool are_plain(const struct shell_command *c)
{
	for (size_t i = 1; i < c->n_words; i++)
		if (c->words[i].glob)
			return false;
	return true;
}

static bool check_echo(const struct shell_command *c, const struct readonly_look *look)
{
	(void)look;
	return are_plain(c);
}

/* bash sets a variable for -v and for %n: PATH would be one. */
static bool check_printf(const struct shell_command *c, const struct readonly_look *look)
{
	static const char between[] = "-+ #0'123456789.*hlLjztq";
	struct str f = c->n_words > 1 ? c->words[1].text : (struct str){"", 0};

	(void)look;
	if (!f.n || f.p[0] == '-')
		return false;
	for (size_t i = 0; i < f.n; i++) {
		if (f.p[i] != '%')
			continue;
		do
			i++;
		while (i < f.n && strchr(between, f.p[i]));
		if (i < f.n && strchr("n(", f.p[i]))
			return false;
	}
	return are_plain(c);
}

/* Words with a dash stand in the list; all others, and numbers below 0, may be files. */
static bool take_known(const struct shell_command *c, const char *known,
		       const struct readonly_look *look)
{
	for (size_t i = 1; i < c->n_words; i++) {
		struct str w = c->words[i].text;
		bool number = w.n > 1 && w.p[0] == '-' && w.p[1] >= '0' && w.p[1] <= '9';

		if (w.n && w.p[0] == '-' && !number
			    ? !is_in_list(w, known)
			    : !look->operand(look->ctx, &c->words[i], false))
			return false;
	}
	return true;
}

/* -v and -R look into a variable's index, which may run anything. */
static bool check_test(const struct shell_command *c, const struct readonly_look *look)
{
	static const char known[] =
		"-b -c -d -e -f -g -h -k -p -r -s -t -u -w -x -G -L -N -O -S "
		"-z -n -eq -ne -lt -le -gt -ge -nt -ot -ef -a -o";

	return take_known(c, known, look);
}

/* Tests and prints; their values may be files (-newer), and are looked at as such. */
static bool check_find(const struct shell_command *c, const struct readonly_look *look)
{
	static const char known[] =
		"-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype "
		"-type "
		"-xtype -size -empty -maxdepth -mindepth -depth -mtime -mmin -atime -amin "
		"-ctime "
		"-cmin -newer -perm -user -group -uid -gid -nouser -nogroup -links -inum "
		"-readable "
		"-writable -executable -print -print0 -printf -ls -prune -quit -not -a -and -o "
		"-or "
		"-true -false -xdev -mount -daystart -noleaf -ignore_readdir_race -P";

	return take_known(c, known, look);
}

/* "12p", "1,20p" or "7,$p" */
static bool is_print(struct str s)
{
	size_t i = 0, from;

	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	if (!i || i == s.n)
		return false;
	if (s.p[i] == ',') {
		from = ++i;
		while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
			i++;
		if (i == from && i < s.n && s.p[i] == '$')
			i++;
		if (i == from)
			return false;
	}
	return i + 1 == s.n && s.p[i] == 'p';
}

static bool check_sed(const struct shell_command *c, const struct readonly_look *look)
{
	if (c->n_words < 3 || !str_is(c->words[1].text, "-n") || !is_print(c->words[2].text))
		return false;
	for (size_t i = 3; i < c->n_words; i++)
		if (c->words[i].text.n && c->words[i].text.p[0] == '-')
			return false;
		else if (!look->operand(look->ctx, &c->words[i], false))
			return false;
	return true;
}

/* Without a + it would set the clock. */
static bool check_date(const struct shell_command *c, const struct readonly_look *look)
{
	static const struct readonly_row row = {
		"date",
		"uRI::d:", "utc universal rfc-email date= iso-8601? rfc-3339=", ARE_TEXT, NULL};
	bool value = false;

	for (size_t i = 1; i < c->n_words; i++) {
		struct str w = c->words[i].text;

		if (!value && w.n && w.p[0] != '-' && w.p[0] != '+')
			return false;
		value = !value && (str_is(w, "-d") || str_is(w, "--date"));
	}
	return readonly_take_words(&row, c, 1, look);
}

/* Its values are words of their own, whatever stands behind the letter: that is more letters. */
static bool check_tree(const struct shell_command *c, const struct readonly_look *look)
{
	static const struct readonly_row row = {
		"tree", "aCdfFghiI:L:npP:qQrstuUvx",
		"noreport dirsfirst filesfirst gitignore prune du si inodes device", ARE_PATHS,
		NULL};

	for (size_t i = 1; i < c->n_words; i++) {
		struct str w = c->words[i].text;
		bool letters = w.n > 2 && w.p[0] == '-' && w.p[1] != '-';

		for (size_t k = 1; letters && k + 1 < w.n; k++) {
			bool digit = w.p[k + 1] >= '0' && w.p[k + 1] <= '9';

			if (strchr("IPL", w.p[k]) && !(w.p[k] == 'L' && digit && k + 2 == w.n))
				return false;
		}
	}
	return readonly_take_words(&row, c, 1, look);
}

/* ---- the rows ---- */

#define GREP_LETTERS "abcEFGhHiIlLnoPqrsTUvVwxyzZe:m:A:B:C:D:d:#"
#define GREP_LONGS                                                                             \
	"extended-regexp fixed-strings basic-regexp perl-regexp regexp= ignore-case "          \
	"no-ignore-case word-regexp line-regexp null-data null no-messages invert-match "      \
	"max-count= byte-offset line-number line-buffered with-filename no-filename label= "   \
	"only-matching quiet silent binary-files= text directories= devices= recursive "       \
	"include= exclude= exclude-dir= files-without-match files-with-matches count "         \
	"initial-tab before-context= after-context= context= color? colour? version"
#define SUM_LONGS "binary tag text zero"

static const struct readonly_row rows[] = {
	{"cat", "AbEnsTtuv",
	 "show-all number-nonblank show-ends number squeeze-blank show-tabs show-nonprinting",
	 ARE_PATHS, NULL},
	{"head", "c:n:qvz#", "bytes= lines= quiet silent verbose zero-terminated", ARE_PATHS,
	 NULL},
	{"tail", "c:n:qvz#", "bytes= lines= quiet silent verbose zero-terminated", ARE_PATHS,
	 NULL},
	{"wc", "clmLw", "bytes chars lines max-line-length words total=", ARE_PATHS, NULL},
	{"ls", "aAbBcCdfFgGhiI:klmnNopqQrRsStT:uUvw:xXZ#",
	 "all almost-all author escape block-size= ignore-backups color? directory classify? "
	 "file-type format= full-time group-directories-first no-group human-readable si hide= "
	 "hyperlink? indicator-style= inode ignore= kibibytes literal numeric-uid-gid "
	 "quote-name "
	 "quoting-style= reverse recursive show-control-chars hide-control-chars size sort= "
	 "time= "
	 "time-style= tabsize= width= zero",
	 ARE_PATHS, NULL},
	{"pwd", "LP", "", ARE_NONE, NULL},
	{"echo", "", "", ARE_TEXT, check_echo},
	{"printf", "", "", ARE_TEXT, check_printf},
	{"true", "", "", ARE_TEXT, check_echo},
	{"false", "", "", ARE_TEXT, check_echo},
	{"test", "", "", ARE_PATHS, check_test},
	{"grep", GREP_LETTERS, GREP_LONGS, ARE_PATTERN, NULL},
	{"egrep", GREP_LETTERS, GREP_LONGS, ARE_PATTERN, NULL},
	{"fgrep", GREP_LETTERS, GREP_LONGS, ARE_PATTERN, NULL},
	{"rg", "aA:B:bcC:e:E:Fg:HhiIj:lm:M:Nnopqr:sSt:T:uUvwx0",
	 "after-context= before-context= context= case-sensitive color= column "
	 "context-separator= count count-matches encoding= engine= files-with-matches "
	 "files-without-match fixed-strings glob= heading hidden iglob= ignore-case json "
	 "line-buffered line-number line-regexp max-columns= max-columns-preview max-count= "
	 "max-depth= max-filesize= multiline multiline-dotall no-config no-filename no-heading "
	 "no-hidden no-ignore no-ignore-vcs no-line-number no-messages null null-data "
	 "one-file-system only-matching passthru pcre2 pretty quiet regexp= replace= "
	 "smart-case "
	 "sort= sortr= stats text threads= trim type= type-not= type-list unrestricted vimgrep "
	 "with-filename word-regexp invert-match",
	 ARE_PATTERN, NULL},
	{"find", "", "", ARE_PATHS, check_find},
	{"file", "bikLhnrN0",
	 "brief mime mime-type mime-encoding dereference no-dereference no-buffer keep-going "
	 "print0 extension raw",
	 ARE_PATHS, NULL},
	{"stat", "fLtc:", "dereference file-system format= printf= terse", ARE_PATHS, NULL},
	{"du", "abcd:hkmsSt:xB:",
	 "all apparent-size block-size= bytes total human-readable inodes max-depth= null si "
	 "summarize separate-dirs one-file-system threshold= time? time-style= exclude=",
	 ARE_PATHS, NULL},
	{"df", "aB:hHiklPt:Tx:",
	 "all block-size= human-readable si inodes local portability print-type total type= "
	 "exclude-type= no-sync output?",
	 ARE_PATHS, NULL},
	{"diff", "abBcC:deEiI:npqstTuU:wW:yZ#",
	 "normal brief report-identical-files context? unified? ed rcs side-by-side width= "
	 "left-column suppress-common-lines show-c-function show-function-line= label= "
	 "expand-tabs initial-tab ignore-case ignore-tab-expansion ignore-trailing-space "
	 "ignore-space-change ignore-all-space ignore-blank-lines strip-trailing-cr text "
	 "minimal "
	 "color?",
	 ARE_FILES, NULL},
	{"cmp", "bi:ln:s", "print-bytes ignore-initial= verbose bytes= quiet silent", ARE_PATHS,
	 NULL},
	{"sort", "bcCdfghiMmnk:Rrst:uVz",
	 "ignore-leading-blanks dictionary-order ignore-case general-numeric-sort "
	 "ignore-nonprinting month-sort human-numeric-sort numeric-sort random-sort reverse "
	 "sort= "
	 "version-sort key= field-separator= merge stable unique zero-terminated check? "
	 "parallel=",
	 ARE_PATHS, NULL},
	{"uniq", "cdDf:is:uw:z#",
	 "count repeated all-repeated? skip-fields= ignore-case skip-chars= unique "
	 "zero-terminated check-chars= group?",
	 ARE_ONE, NULL},
	{"cut", "b:c:d:f:nsz",
	 "bytes= characters= delimiter= fields= complement only-delimited output-delimiter= "
	 "zero-terminated",
	 ARE_PATHS, NULL},
	{"tr", "cCdst", "complement delete squeeze-repeats truncate-set1", ARE_TEXT, NULL},
	{"nl", "b:d:f:h:i:l:n:ps:v:w:",
	 "body-numbering= section-delimiter= footer-numbering= header-numbering= "
	 "line-increment= join-blank-lines= number-format= no-renumber number-separator= "
	 "starting-line-number= number-width=",
	 ARE_PATHS, NULL},
	{"comm", "#z", "check-order nocheck-order output-delimiter= total zero-terminated",
	 ARE_PATHS, NULL},
	{"basename", "as:z", "multiple suffix= zero", ARE_TEXT, NULL},
	{"dirname", "z", "zero", ARE_TEXT, NULL},
	{"realpath", "eLmPqsz",
	 "canonicalize-existing canonicalize-missing logical physical quiet strip zero",
	 ARE_PATHS, NULL},
	{"readlink", "efmnqsvz",
	 "canonicalize canonicalize-existing canonicalize-missing no-newline quiet silent "
	 "verbose "
	 "zero",
	 ARE_PATHS, NULL},
	{"md5sum", "btz", SUM_LONGS, ARE_PATHS, NULL},
	{"sha1sum", "btz", SUM_LONGS, ARE_PATHS, NULL},
	{"sha224sum", "btz", SUM_LONGS, ARE_PATHS, NULL},
	{"sha256sum", "btz", SUM_LONGS, ARE_PATHS, NULL},
	{"sha384sum", "btz", SUM_LONGS, ARE_PATHS, NULL},
	{"sha512sum", "btz", SUM_LONGS, ARE_PATHS, NULL},
	{"cksum", "a:l:z", "algorithm= length= untagged zero", ARE_PATHS, NULL},
	{"date", "", "", ARE_TEXT, check_date},
	{"which", "as", "", ARE_TEXT, NULL},
	{"type", "aptP", "", ARE_TEXT, NULL},
	{"seq", "f:s:w#", "format= separator= equal-width", ARE_TEXT, NULL},
	{"tree", "", "", ARE_PATHS, check_tree},
	{"id", "agGnruzZ", "user group groups name real zero", ARE_TEXT, NULL},
	{"uname", "asnrvmpio", "", ARE_NONE, NULL},
	{"nproc", "", "all ignore=", ARE_NONE, NULL},
	{"sed", "", "", ARE_PATHS, check_sed},
	{"git", "", "", ARE_PATHS, readonly_check_git},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

bool readonly_is(const struct shell_command *c, const struct readonly_look *look)
{
	const struct readonly_row *row = rows;

	while (row < rows + N_ROWS && !str_is(c->words[0].text, row->name))
		row++;
	if (row == rows + N_ROWS)
		return false;
	return row->check ? row->check(c, look) : readonly_take_words(row, c, 1, look);
}

const char *readonly_name(size_t i)
{
	return i < N_ROWS ? rows[i].name : NULL;
}
