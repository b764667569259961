/* Showing a conversation anew under its reader, who notices only what is another. */
#include "tui/transcript_private.h"

#include <stdlib.h>

void transcript_renew(struct transcript *t)
{
	t->before = (struct transcript_before){
		.items = t->items,
		.n = t->n,
		.top = t->top,
		.top_row = t->top_row,
		.left_n = t->left_n,
		.left_rows = t->left_rows,
		.chosen = t->chosen,
		.hit_item = t->hit_item,
		.follow = t->follow,
		.hit = t->hit,
	};
	t->items = NULL;
	t->n = t->cap = t->n_laid = 0;
	transcript_clear(t);
}

/* Item `was` stands at `now` again. */
static void take_over(struct transcript *t, size_t was, size_t now)
{
	struct transcript_before *b = &t->before;

	t->items[now]->place = b->items[was]->place;
	if (item_can_fold(t->items[now]))
		t->items[now]->folded = b->items[was]->folded;
	if (b->chosen == was)
		t->chosen = now;
	if (b->hit && b->hit_item == was) {
		t->hit = true;
		t->hit_item = now;
	}
	if (b->left_n == was + 1)
		t->left_n = now + 1;
	if (!b->follow && b->top == was) {
		t->follow = false;
		t->top = now;
		t->top_row = b->top_row;
	}
}

static void free_before(struct transcript_before *b)
{
	for (size_t i = 0; i < b->n; i++)
		item_free(b->items[i]);
	free(b->items);
	*b = (struct transcript_before){0};
}

void transcript_renewed(struct transcript *t)
{
	struct transcript_before *b = &t->before;
	size_t was = 0, now = 0;

	t->left_n = 0;
	t->left_rows = b->left_rows;
	while (was < b->n && now < t->n) {
		const struct item *x = b->items[was], *y = t->items[now];

		/* Words of the program (0) come and go between the messages. */
		if (x->id == y->id && x->kind == y->kind)
			take_over(t, was++, now++);
		else if (x->id == 0)
			was++;
		else if (y->id == 0)
			now++;
		else
			break;
	}
	free_before(b);
}
