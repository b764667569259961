/* References within a schema: JSON pointers. */
#include "app/tools/schema_inside.h"

#include <stdlib.h>

/* One step of a JSON pointer: the part up to the next '/', with ~0 and ~1. */
static const json_t *step_into(const json_t *v, struct str *rest)
{
	char key[256];
	size_t n = 0, i = 1;

	for (; i < rest->n && rest->p[i] != '/'; i++) {
		char ch = rest->p[i];

		if (ch == '~' && i + 1 < rest->n &&
		    (rest->p[i + 1] == '0' || rest->p[i + 1] == '1'))
			ch = rest->p[++i] == '0' ? '~' : '/';
		if (n == sizeof(key) - 1)
			return NULL;
		key[n++] = ch;
	}
	key[n] = '\0';
	rest->p += i;
	rest->n -= i;
	if (json_is_array(v))
		return json_array_get(v, strtoul(key, NULL, 10));
	return json_object_get(v, key);
}

const json_t *schema_resolve(const struct schema *s, struct str ref)
{
	const json_t *v = s->root;

	if (!ref.n || ref.p[0] != '#')
		return NULL;
	ref.p++;
	ref.n--;
	while (v && ref.n)
		v = ref.p[0] == '/' ? step_into(v, &ref) : NULL;
	return v;
}
