/* What of git only looks. */
#include "app/tools/readonly_row.h"

#include <string.h>

#define GIT_DIFFS                                                                              \
	"stat? numstat shortstat dirstat? summary name-only name-status patch no-patch "       \
	"unified? "                                                                            \
	"raw patch-with-stat minimal patience histogram diff-algorithm= word-diff? color? "    \
	"no-color color-words? no-renames find-renames? find-copies? diff-filter= "            \
	"ignore-all-space ignore-space-change ignore-space-at-eol ignore-blank-lines "         \
	"ignore-cr-at-eol function-context inter-hunk-context= text binary full-index "        \
	"exit-code quiet cached staged merge-base no-prefix src-prefix= dst-prefix= "          \
	"relative? pickaxe-all pickaxe-regex check abbrev? no-ext-diff no-textconv "           \
	"ignore-submodules? submodule?"
#define GIT_LOGS                                                                               \
	GIT_DIFFS                                                                              \
	" oneline pretty? format= abbrev-commit no-abbrev-commit graph all branches? tags? "   \
	"remotes? decorate? no-decorate date= relative-date since= after= until= before= "     \
	"author= committer= grep= all-match invert-grep regexp-ignore-case extended-regexp "   \
	"fixed-strings perl-regexp merges no-merges first-parent follow max-count= skip= "     \
	"reverse topo-order date-order author-date-order ancestry-path boundary left-right "   \
	"left-only right-only cherry cherry-pick cherry-mark full-history simplify-merges "    \
	"simplify-by-decoration show-pulls source parents children no-notes walk-reflogs"
#define GIT_LISTS                                                                              \
	"sort= merged? no-merged? contains= no-contains= points-at= format= column? "          \
	"no-column "                                                                           \
	"ignore-case color? no-color"
#define GIT_DIFF_LETTERS "pusU::zwbaRtM::C::D::S:G:B::W#"
#define GIT_LOG_LETTERS  GIT_DIFF_LETTERS "L:iEFPgn:qmc"

/* What it shows pages of, edits or sends stands in no row. */
static const struct readonly_row git_rows[] = {
	{"status", "sbvu::z",
	 "short branch show-stash porcelain? long verbose untracked-files? ignore-submodules? "
	 "ignored? column? no-column ahead-behind no-ahead-behind renames no-renames "
	 "find-renames? null",
	 ARE_PATHS, NULL},
	{"diff", GIT_DIFF_LETTERS, GIT_DIFFS, ARE_PATHS, NULL},
	{"log", GIT_LOG_LETTERS, GIT_LOGS, ARE_PATHS, NULL},
	{"show", GIT_LOG_LETTERS, GIT_LOGS, ARE_PATHS, NULL},
	{"blame", "lefnswtpbcL:C::M::",
	 "root show-stats line-porcelain porcelain date= abbrev? color-lines color-by-age "
	 "show-name show-number show-email",
	 ARE_PATHS, NULL},
	{"ls-files", "cdmoiskutvz",
	 "cached deleted modified others ignored stage killed directory no-empty-directory eol "
	 "exclude-standard error-unmatch full-name abbrev? deduplicate unmerged",
	 ARE_PATHS, NULL},
	{"ls-tree", "drtlz",
	 "name-only name-status long full-name full-tree abbrev? object-only format=",
	 ARE_PATHS, NULL},
	{"rev-parse", "q",
	 "abbrev-ref? short? verify show-toplevel show-prefix show-cdup git-dir "
	 "absolute-git-dir "
	 "is-inside-work-tree is-bare-repository symbolic symbolic-full-name all branches? "
	 "tags?",
	 ARE_PATHS, NULL},
	{"describe", "",
	 "all tags long always dirty? contains abbrev= match= exclude= candidates= "
	 "first-parent "
	 "exact-match",
	 ARE_PATHS, NULL},
	{"shortlog", "nsec", "numbered summary email committer group= since= until= all",
	 ARE_PATHS, NULL},
	{"branch", "arv", "all remotes verbose show-current " GIT_LISTS, ARE_NONE, NULL},
	{"tag", "ln::", "list " GIT_LISTS, ARE_NONE, NULL},
	{"remote", "v", "verbose", ARE_NONE, NULL},
	{NULL, NULL, NULL, ARE_NONE, NULL},
};

static const struct readonly_row git_stashes = {"stash", GIT_LOG_LETTERS, GIT_LOGS, ARE_NONE,
						NULL};

/* "%GK", "%-G?": a plus, a minus or a blank may stand between. */
static bool asks_for_signature(struct str w)
{
	for (size_t i = 0; i + 1 < w.n; i++) {
		size_t at = i + 1;

		if (w.p[i] != '%')
			continue;
		at += at + 1 < w.n && strchr("+- ", w.p[at]);
		if (w.p[at] == 'G')
			return true;
	}
	return false;
}

bool readonly_check_git(const struct shell_command *c, const struct readonly_look *look)
{
	size_t at = c->n_words > 1 && str_is(c->words[1].text, "--no-pager") ? 2 : 1;
	const struct readonly_row *row = git_rows;

	/* A format of signatures has gpg run, or what a repository names in its place; so has a
	 * list's field. */
	for (size_t i = 1; i < c->n_words; i++)
		if (asks_for_signature(c->words[i].text) ||
		    memmem(c->words[i].text.p, c->words[i].text.n, "signature", 9))
			return false;
	if (at >= c->n_words)
		return false;
	if (str_is(c->words[at].text, "stash"))
		return at + 1 < c->n_words && str_is(c->words[at + 1].text, "list") &&
		       readonly_take_words(&git_stashes, c, at + 2, look);
	while (row->name && !str_is(c->words[at].text, row->name))
		row++;
	return row->name && readonly_take_words(row, c, at + 1, look);
}
