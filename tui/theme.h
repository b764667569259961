/*
 * How each role looks, at every depth of colour a terminal may have.
 *
 * Backgrounds stay the terminal's own wherever that is possible, so that the
 * screen fits light and dark terminals; what must stand out without colour does
 * so by attributes.
 */
#ifndef TUI_THEME_H
#define TUI_THEME_H

#include <stdint.h>

#include "tui/style.h"

#define THEME_DEFAULT (-1) /* the terminal's own colour */

struct theme_role {
	char letter;            /* in dumps of a surface                 */
	int16_t fg16, bg16;     /* 0–15                                  */
	int16_t fg256, bg256;   /* 0–255                                 */
	int32_t fg_rgb, bg_rgb; /* 0xRRGGBB                              */
	uint16_t attrs;         /* with colour                           */
	uint16_t attrs_mono;    /* without                               */
};

const struct theme_role *theme_role(enum style_role role);

#endif
