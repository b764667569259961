/* The table of colours. */
#include "tui/theme.h"

#include "engine/base/err.h"

#define D THEME_DEFAULT

static const struct theme_role roles[STYLE_N_ROLES] = {
	[STYLE_TEXT] = {'.', D, D, D, D, D, D, 0, 0},
	[STYLE_FAINT] = {'f', 8, D, 245, D, 0x8A8A8A, D, 0, 0},
	[STYLE_BORDER] = {'|', 8, D, 240, D, 0x5F6670, D, 0, 0},
	[STYLE_TITLE] = {'T', D, D, D, D, D, D, STYLE_BOLD, STYLE_BOLD},
	[STYLE_USER] = {'U', 6, D, 37, D, 0x2AA1B3, D, STYLE_BOLD, STYLE_BOLD},
	[STYLE_MODEL] = {'M', 4, D, 68, D, 0x4D6BFE, D, STYLE_BOLD, STYLE_BOLD},
	[STYLE_THINKING] = {'t', 8, D, 245, D, 0x8A8A8A, D, STYLE_ITALIC, 0},
	[STYLE_TOOL] = {'o', 5, D, 133, D, 0xA65FB0, D, 0, STYLE_BOLD},
	[STYLE_NOTICE] = {'n', 3, D, 172, D, 0xC68A1D, D, 0, STYLE_BOLD},
	[STYLE_ERROR] = {'e', 1, D, 160, D, 0xD03A3A, D, STYLE_BOLD, STYLE_REVERSE},
	[STYLE_GOOD] = {'g', 2, D, 71, D, 0x4E9A51, D, 0, 0},
	[STYLE_HEADING] = {'H', 4, D, 68, D, 0x4D6BFE, D, STYLE_BOLD, STYLE_BOLD},
	[STYLE_LINK] = {'l', 4, D, 32, D, 0x2F7FD0, D, STYLE_UNDERLINE, STYLE_UNDERLINE},
	[STYLE_CODE] = {'c', 6, D, 73, D, 0x4FA3A5, D, 0, 0},
	[STYLE_KEYWORD] = {'k', 5, D, 133, D, 0xA65FB0, D, STYLE_BOLD, STYLE_BOLD},
	[STYLE_STRING] = {'s', 2, D, 71, D, 0x4E9A51, D, 0, 0},
	[STYLE_NUMBER] = {'0', 3, D, 172, D, 0xC68A1D, D, 0, 0},
	[STYLE_COMMENT] = {'#', 8, D, 245, D, 0x8A8A8A, D, STYLE_ITALIC, 0},
	[STYLE_QUOTE] = {'q', 8, D, 245, D, 0x8A8A8A, D, 0, 0},
	[STYLE_MARKER] = {'*', 3, D, 172, D, 0xC68A1D, D, 0, STYLE_BOLD},
	[STYLE_ADDED] = {'+', 2, D, 71, D, 0x4E9A51, D, 0, 0},
	[STYLE_REMOVED] = {'-', 1, D, 160, D, 0xD03A3A, D, 0, 0},
	[STYLE_MATCH] = {'m', 0, 3, 16, 179, 0x000000, 0xD7AF5F, 0, STYLE_UNDERLINE},
	[STYLE_MATCH_HERE] = {'h', 0, 2, 16, 114, 0x000000, 0x87D787, STYLE_BOLD,
			      STYLE_REVERSE},
	[STYLE_SELECTED] = {'S', D, D, D, D, D, D, STYLE_REVERSE, STYLE_REVERSE},
	[STYLE_SELECTED_OFF] = {'O', D, D, D, D, D, D, STYLE_BOLD, STYLE_BOLD},
	[STYLE_STATUS] = {'_', D, D, D, D, D, D, STYLE_REVERSE, STYLE_REVERSE},
	[STYLE_BAR] = {'=', 15, 4, 231, 25, 0xFFFFFF, 0x3A5BD0, 0, STYLE_BOLD},
	[STYLE_KEY] = {'K', 6, D, 37, D, 0x2AA1B3, D, STYLE_BOLD, STYLE_BOLD},
};

const struct theme_role *theme_role(enum style_role role)
{
	BUG_ON((int)role < 0 || role >= STYLE_N_ROLES);
	return &roles[role];
}
