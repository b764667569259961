/* Names of categories. */
#include "engine/text/unicode.h"

static const char names[UNICODE_N_CATEGORIES][3] = {
	[UNICODE_LU] = "Lu", [UNICODE_LL] = "Ll", [UNICODE_LT] = "Lt", [UNICODE_LM] = "Lm",
	[UNICODE_LO] = "Lo", [UNICODE_MN] = "Mn", [UNICODE_MC] = "Mc", [UNICODE_ME] = "Me",
	[UNICODE_ND] = "Nd", [UNICODE_NL] = "Nl", [UNICODE_NO] = "No", [UNICODE_PC] = "Pc",
	[UNICODE_PD] = "Pd", [UNICODE_PS] = "Ps", [UNICODE_PE] = "Pe", [UNICODE_PI] = "Pi",
	[UNICODE_PF] = "Pf", [UNICODE_PO] = "Po", [UNICODE_SM] = "Sm", [UNICODE_SC] = "Sc",
	[UNICODE_SK] = "Sk", [UNICODE_SO] = "So", [UNICODE_ZS] = "Zs", [UNICODE_ZL] = "Zl",
	[UNICODE_ZP] = "Zp", [UNICODE_CC] = "Cc", [UNICODE_CF] = "Cf", [UNICODE_CS] = "Cs",
	[UNICODE_CO] = "Co", [UNICODE_CN] = "Cn", [UNICODE_CW] = "Cc",
};

uint32_t unicode_property(struct str name)
{
	uint32_t set = 0;

	if (name.n != 1 && name.n != 2)
		return 0;
	for (int i = 0; i < UNICODE_N_CATEGORIES; i++) {
		if (name.p[0] == names[i][0] && (name.n == 1 || name.p[1] == names[i][1]))
			set |= UINT32_C(1) << i;
	}
	return set;
}

uint32_t unicode_white_space(void)
{
	return unicode_property(STR_LIT("Z")) | UINT32_C(1) << UNICODE_CW;
}
