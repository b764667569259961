/* Finding the places in a prompt's ids. */
#include "engine/cache/places.h"

void places_init(struct places *p, const token_id *ids, int64_t n, token_id user,
		 token_id assistant)
{
	*p = (struct places){
		.ids = ids, .n = n, .user = user, .assistant = assistant, .first_user = n};
	for (int64_t i = n - 1; i >= 0; i--) {
		if (user >= 0 && ids[i] == user)
			p->first_user = i;
		if (assistant >= 0 && ids[i] == assistant && p->last_ask == 0)
			p->last_ask = i + 1;
	}
}

int64_t places_next(const struct places *p, int64_t from, int64_t last)
{
	for (int64_t i = from + 1; i < p->n; i++) {
		bool after_ask = p->assistant >= 0 && p->ids[i - 1] == p->assistant;

		if (i == p->last_ask)
			return i;
		if ((after_ask || i == p->first_user) && i - last >= PLACE_GAP)
			return i;
	}
	return from < p->n - 1 ? p->n - 1 : p->n;
}
