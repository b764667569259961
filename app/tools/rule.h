/* One rule: read, and matched against one command or path. */
#ifndef APP_TOOLS_RULE_H
#define APP_TOOLS_RULE_H

#include "app/tools/rules.h"
#include "app/tools/shellwords.h"

#define RULE_WORDS 16

enum rule_about {
	RULE_SHELL,
	RULE_EDIT,
	RULE_READ,
	RULE_TOOL, /* by name: one word; of a server: two */
};

struct rule {
	enum rule_says says;
	enum rule_about about;
	struct buf text;              /* "allow = shell make -j*" */
	struct str words[RULE_WORDS]; /* in it; of an edit and a read the pattern alone */
	size_t n_words;
	bool rest; /* any words may follow */
	enum rules_from from;
	unsigned grade;
};

/* ERR_USAGE, ERR_NOMEM.  To be released either way. */
int rule_read(struct rule *r, enum rule_says says, struct str text, struct err *err);
void rule_release(struct rule *r);

/* In this order. */
enum rule_match { RULE_NO, RULE_MAYBE, RULE_SURE };

/* What a program does with the words behind it: bits. */
enum rule_runs {
	RUNS_WORDS = 1, /* they are a program, and its words                           */
	RUNS_LINES = 2, /* one of them may be a command line                           */
	RUNS_CODE = 4,  /* it runs what it is given or reads, unless a file comes first */
	RUNS_READ = 8,  /* the same, whatever is named                                 */
	RUNS_EXEC = 16, /* behind -exec and its like they are a program, and its words  */
};

/* rule_program.c: of the program of that name, by whatever path; 0: none of these, or unknown. */
unsigned rule_runs(struct str word);
/* Is the program, by whatever path, one of those names?  NULL ends them. */
bool rule_is_program(struct str word, const char *const *names);
/* The name without the folders before it. */
struct str rule_base(struct str word);
/* The first byte that no word of a rule may have, a quote's or an operator's; NULL: none. */
const char *rule_odd_byte(struct str word);
/* That tool, of a rule about one. */
bool rule_is_tool(const struct rule *r, struct str tool);
/* Where the words begin of which one is run by the command's program; n_words: nowhere. */
size_t rule_runs_from(const struct shell_command *c);
/* These very words, of a rule that allows. */
bool rule_is(const struct rule *r, const struct shell_command *c);
/* Somewhere in it, of one that asks or denies. */
enum rule_match rule_finds(const struct rule *r, const struct shell_command *c);

#endif
