/*
 * An answer's parser, inside: what it has, and what dsml.c, which feeds it, and those that read,
 * dsml_steps.c and dsml_value.c, do for each other.
 */
#ifndef ENGINE_TEXT_DSML_PRIVATE_H
#define ENGINE_TEXT_DSML_PRIVATE_H

#include "engine/text/dsml_calls.h"

enum dsml_state {
	STATE_THINKING,
	STATE_TEXT,
	STATE_BLOCK, /* in a call block or a call, between tags */
	STATE_TAG,   /* behind <｜DSML｜ or </｜DSML｜ */
	STATE_VALUE, /* behind a parameter's head */
};

struct stop;

struct dsml_private {
	enum dsml_mode mode;
	dsml_event_fn fn;
	void *ctx;
	enum dsml_state state;
	struct buf input;   /* not read yet: perhaps the beginning of the end token */
	struct buf pending; /* read, not decided from `front` on */
	size_t front;
	size_t told;          /* value: of what waits, this much was told as it came */
	size_t scanned;       /* tag, value: of what waits, this much holds no end */
	struct buf raw;       /* all that was read, for the official grammar */
	struct buf parameter; /* the name of the parameter whose value is read */
	struct dsml_calls calls;
	bool parameter_string;
	bool in_thinking;  /* block, tag, value: what is around them is thinking */
	bool in_block;     /* a block is open */
	bool in_call;      /* a call is open */
	bool asked;        /* a block, or a parameter, was begun outside of thinking */
	const struct stop *tag_word; /* tag: what it began with */
	bool tag_control;  /* tag: the ｜DSML｜ of that was the control token */
	bool value_end;    /* tag: it closes a value */
	bool stray;        /* block: there was text since the last tag */
	bool any;          /* something was pushed */
	bool ended;        /* the end token came: nothing more is read */
	bool finishing;    /* no more will come */
	bool no_value_end; /* finishing: nothing that is left ends a value */
	bool early;        /* a call or its parameter was well-formed so far */
	bool told_control; /* the notice about control tokens was given */
};

/* Reads as far as what waits decides. */
void dsml_run(struct dsml_private *p);

bool dsml_thinks(const struct dsml_private *p);
/* What waits and is not decided. */
struct str dsml_rest(const struct dsml_private *p);
/* Within a tag of which it is certain that it has a name="…". */
bool dsml_in_head(const struct dsml_private *p);
void dsml_notice_control(struct dsml_private *p);

/* dsml_steps.c, for the next: what is said, by what state; the first n bytes that wait are read. */
void dsml_say(struct dsml_private *p, struct str text);
void dsml_notice(struct dsml_private *p, const char *text);
void dsml_consume(struct dsml_private *p, size_t n);
void dsml_enter_block(struct dsml_private *p);
/* Behind <｜DSML｜ or </｜DSML｜, which dsml_stop_close is. */
void dsml_begin_tag(struct dsml_private *p, const struct stop *word);
extern const struct stop *const dsml_stop_close;

/* dsml_value.c: `tag` is a parameter's, without the ">" that it has where it is `whole`; and a step
 * of its value, whether it got anywhere. */
void dsml_begin_value(struct dsml_private *p, struct str tag, bool whole);
bool dsml_step_value(struct dsml_private *p);

/*
 * dsml_end.c: is no call wrong, and does the official grammar accept the first n bytes of what was
 * read, `closing` and the end token?
 */
bool dsml_accepts(const struct dsml_private *p, size_t n, struct str closing);
extern const struct str dsml_close_value, dsml_close_call, dsml_close_block;

#endif
