/*
 * What a cell means, not how it looks: a role, and what Markdown adds to it.
 * Only the theme (theme.h) knows colours.
 */
#ifndef TUI_STYLE_H
#define TUI_STYLE_H

#include <stdint.h>

enum style_role {
	STYLE_TEXT,         /* plain words                                  */
	STYLE_FAINT,        /* hints, times, what may be overlooked         */
	STYLE_BORDER,       /* lines between panes and around boxes         */
	STYLE_TITLE,        /* heads of panes and boxes                     */
	STYLE_USER,         /* the mark before what the user said           */
	STYLE_MODEL,        /* the mark before what the model said          */
	STYLE_THINKING,     /* the model's reasoning                        */
	STYLE_TOOL,         /* name and state of a tool call                */
	STYLE_NOTICE,       /* should be known                              */
	STYLE_ERROR,        /* went wrong                                   */
	STYLE_GOOD,         /* went right                                   */
	STYLE_HEADING,      /* Markdown heading                             */
	STYLE_LINK,         /* link text and address                        */
	STYLE_CODE,         /* code, inline or block                        */
	STYLE_KEYWORD,      /* … its keywords                               */
	STYLE_STRING,       /* … its strings                                */
	STYLE_NUMBER,       /* … its numbers                                */
	STYLE_COMMENT,      /* … its comments                               */
	STYLE_QUOTE,        /* quoted block                                 */
	STYLE_MARKER,       /* bullets, numbers of lists, fold marks        */
	STYLE_ADDED,        /* line that a diff adds                        */
	STYLE_REMOVED,      /* line that a diff removes                     */
	STYLE_MATCH,        /* found by the search                          */
	STYLE_MATCH_HERE,   /* the match the search stands on               */
	STYLE_SELECTED,     /* chosen row of a list that has the focus      */
	STYLE_SELECTED_OFF, /* chosen row of a list that has not            */
	STYLE_STATUS,       /* last row                                     */
	STYLE_BAR,          /* done part of a progress bar, on the last row */
	STYLE_KEY,          /* name of a key in help and hints              */
	STYLE_N_ROLES,
};

#define STYLE_ROLE_MASK 0x00FFu
#define STYLE_BOLD      0x0100u
#define STYLE_ITALIC    0x0200u
#define STYLE_UNDERLINE 0x0400u
#define STYLE_STRIKE    0x0800u
#define STYLE_REVERSE   0x1000u
#define STYLE_N_ATTRS   5

/* A role and attributes, or-ed. */
static inline enum style_role style_role(uint16_t style)
{
	return (enum style_role)(style & STYLE_ROLE_MASK);
}

static inline uint16_t style_with_role(uint16_t style, enum style_role role)
{
	return (uint16_t)((style & ~STYLE_ROLE_MASK) | (unsigned)role);
}

#endif
