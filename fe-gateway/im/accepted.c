#include "im/accepted.h"

#include <utlist.h>

#include "util/table.h"
#include "xfed/text.h"

#define FORGET_PER_TICK 256

struct node {
	struct deliver_origin origin;
	uint64_t until_ms;
	size_t bytes;
	struct node *prev, *next;
	UT_hash_handle hh; /* key: "local\0remote\0id" */
	char texts[];
};

struct accepted {
	struct node *table, *list; /* the list in the order of time */
	struct node *last;	   /* returned to the caller; freed by the next call */
	size_t max, count, bytes;
};

int accepted_new(size_t max, struct accepted **out)
{
	struct accepted *a = *out = xfed_calloc(1, sizeof(*a));
	if (!a) {
		return XFED_ERR_NOMEM;
	}
	a->max = max ? max : ACCEPTED_MAX;
	return XFED_OK;
}

static void take_out(struct accepted *a, struct node *n)
{
	DL_DELETE(a->list, n);
	HASH_DELETE(hh, a->table, n);
	a->count--;
	a->bytes -= n->bytes;
}

static void forget(struct accepted *a, struct node *n)
{
	take_out(a, n);
	xfed_free(n);
}

static void drop_last(struct accepted *a)
{
	xfed_free(a->last);
	a->last = NULL;
}

void accepted_free(struct accepted *a)
{
	if (!a) {
		return;
	}
	drop_last(a);
	while (a->list) {
		forget(a, a->list);
	}
	xfed_free(a);
}

static size_t key_bytes(const struct accepted_name *name)
{
	return name->local.len + name->remote.len + name->id.len + 3;
}

static void write_key(const struct accepted_name *name, char **at)
{
	xfed_span_put(at, name->local);
	xfed_span_put(at, name->remote);
	xfed_span_put(at, name->id);
}

/* NULL also where there is no memory for the key. */
static struct node *find(struct accepted *a, const struct accepted_name *name)
{
	struct node *n = NULL;
	char *key = xfed_malloc(key_bytes(name)), *at = key;
	if (key) {
		write_key(name, &at);
		HASH_FIND(hh, a->table, key, key_bytes(name), n);
		xfed_free(key);
	}
	return n;
}

int accepted_add(struct accepted *a, const struct accepted_name *name, const struct deliver_origin *origin, uint64_t now_ms)
{
	size_t bytes = sizeof(struct node) + key_bytes(name) + deliver_origin_bytes(origin);
	drop_last(a);
	struct node *n = xfed_malloc(bytes), *old = find(a, name);
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	if (old) {
		forget(a, old);
	}
	while (a->list && (a->count >= a->max || a->bytes + bytes > ACCEPTED_BYTES_MAX)) {
		forget(a, a->list);
	}
	memset(n, 0, sizeof(*n));
	char *at = n->texts;
	write_key(name, &at);
	deliver_origin_copy(&n->origin, origin, &at);
	n->until_ms = now_ms + ACCEPTED_MS;
	n->bytes = bytes;
	HASH_ADD_KEYPTR(hh, a->table, n->texts, key_bytes(name), n);
	if (!XFED_TABLE_ADDED(n)) {
		xfed_free(n);
		return XFED_ERR_NOMEM;
	}
	DL_APPEND(a->list, n);
	a->count++;
	a->bytes += bytes;
	return XFED_OK;
}

const struct deliver_origin *accepted_take(struct accepted *a, const struct accepted_name *name)
{
	drop_last(a);
	struct node *n = find(a, name);
	if (!n) {
		return NULL;
	}
	take_out(a, n);
	a->last = n;
	return &n->origin;
}

void accepted_tick(struct accepted *a, uint64_t now_ms)
{
	drop_last(a);
	for (int i = 0; i < FORGET_PER_TICK && a->list && a->list->until_ms <= now_ms; i++) {
		forget(a, a->list);
	}
}
