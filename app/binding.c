/* One binding, taken apart and applied. */
#include "app/binding.h"

#include <string.h>

int binding_apply(struct keymap *km, const char *binding, struct err *err)
{
	const char *eq = strchr(binding, '=');
	struct str action = {binding, eq ? (size_t)(eq - binding) : 0};

	if (!eq)
		return err_set(err, ERR_USAGE, "'%.60s', expected ACTION=KEYS", binding);
	while (action.n > 0 && action.p[action.n - 1] == ' ')
		action.n--;
	return keymap_bind(km, action, str_of(eq + 1), err);
}

int binding_check(const char *binding, struct err *err)
{
	struct keymap km;

	keymap_init(&km);
	return binding_apply(&km, binding, err);
}
