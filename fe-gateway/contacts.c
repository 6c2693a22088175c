#include "contacts.h"

#include <utlist.h>

#include "util/table.h"

#define FORGET_PER_TICK 256

/* Of a message of the contact. */
struct last {
	const char *type; /* "chat", "normal", or NULL: none */
	char *thread;	  /* NULL: none */
	size_t thread_len;
};

struct contact {
	struct contact *prev, *next; /* least recently used first */
	uint64_t wrote_ms, heard_ms, delivered_ms, used_ms;
	bool has_written, was_heard, has_reached;
	struct last last, trying;
	uint64_t trying_id; /* 0: none is on its way */
	size_t key_len;
	UT_hash_handle hh;
	char key[]; /* local, NUL, remote */
};

struct contacts {
	struct contact *table, *order;
	size_t max, count;
};

int contacts_new(size_t max, struct contacts **out)
{
	struct contacts *c = xfed_calloc(1, sizeof(*c));
	*out = c;
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	c->max = max ? max : CONTACTS_MAX;
	return XFED_OK;
}

static void forget(struct contacts *c, struct contact *k)
{
	HASH_DELETE(hh, c->table, k);
	DL_DELETE(c->order, k);
	c->count--;
	xfed_free(k->last.thread);
	xfed_free(k->trying.thread);
	xfed_free(k);
}

void contacts_free(struct contacts *c)
{
	if (!c) {
		return;
	}
	while (c->order) {
		forget(c, c->order);
	}
	xfed_free(c);
}

static size_t write_key(struct xfed_span local, struct xfed_span remote, char *out)
{
	memcpy(out, local.data, local.len);
	out[local.len] = '\0';
	memcpy(out + local.len + 1, remote.data, remote.len);
	return local.len + 1 + remote.len;
}

static struct contact *find(const struct contacts *c, struct xfed_span local, struct xfed_span remote)
{
	char key[2 * 2048 + 1];
	struct contact *k = NULL;
	if (local.len + remote.len + 1 <= sizeof(key)) {
		size_t len = write_key(local, remote, key);
		HASH_FIND(hh, c->table, key, len, k);
	}
	return k;
}

static struct contact *make(struct contacts *c, struct xfed_span local, struct xfed_span remote)
{
	struct contact *k = xfed_malloc(sizeof(*k) + local.len + remote.len + 1);
	if (!k) {
		return NULL;
	}
	memset(k, 0, sizeof(*k));
	k->key_len = write_key(local, remote, k->key);
	HASH_ADD_KEYPTR(hh, c->table, k->key, k->key_len, k);
	if (!XFED_TABLE_ADDED(k)) {
		xfed_free(k);
		return NULL;
	}
	DL_APPEND(c->order, k);
	c->count++;
	return k;
}

/* The pair, moved to the end of the order of use. */
static struct contact *use(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact *k = find(c, local, remote);
	if (!k) {
		while (c->count >= c->max) {
			forget(c, c->order);
		}
		k = make(c, local, remote);
	} else {
		DL_DELETE(c->order, k);
		DL_APPEND(c->order, k);
	}
	if (k) {
		k->used_ms = now_ms;
	}
	return k;
}

int contacts_wrote(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact *k = use(c, local, remote, now_ms);
	if (!k) {
		return XFED_ERR_NOMEM;
	}
	k->has_written = true;
	k->wrote_ms = now_ms;
	return XFED_OK;
}

int contacts_heard(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact *k = use(c, local, remote, now_ms);
	if (!k) {
		return XFED_ERR_NOMEM;
	}
	k->was_heard = true;
	k->heard_ms = now_ms;
	return XFED_OK;
}

int contacts_trying(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t id, struct xfed_span type,
	struct xfed_span thread, uint64_t now_ms)
{
	struct contact *k = use(c, local, remote, now_ms);
	char *copy = k && thread.data ? xfed_strndup(thread) : NULL;
	if (!k || (thread.data && !copy)) {
		return XFED_ERR_NOMEM;
	}
	xfed_free(k->trying.thread);
	k->trying = (struct last){ xfed_span_is(type, "chat") ? "chat" : xfed_span_is(type, "normal") ? "normal" : NULL, copy, thread.len };
	k->trying_id = id;
	return XFED_OK;
}

void contacts_tried(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t id, bool is_delivered, uint64_t now_ms)
{
	struct contact *k = find(c, local, remote);
	if (!k || k->trying_id != id) {
		return;
	}
	if (is_delivered) {
		k->has_reached = true;
		k->delivered_ms = now_ms;
		if (!k->trying.thread) { /* one without a thread ends none */
			k->trying.thread = k->last.thread;
			k->trying.thread_len = k->last.thread_len;
			k->last.thread = NULL;
		}
		xfed_free(k->last.thread);
		k->last = k->trying;
	} else {
		xfed_free(k->trying.thread);
	}
	k->trying = (struct last){ 0 };
	k->trying_id = 0;
}

void contacts_facts(const struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms, struct contact_facts *out)
{
	*out = (struct contact_facts){ 0 };
	const struct contact *k = find(c, local, remote);
	if (!k) {
		return;
	}
	out->is_authorised = k->has_written && now_ms - k->wrote_ms < CONTACT_KEEP_MS;
	out->is_alive = k->was_heard && now_ms - k->heard_ms < CONTACT_ALIVE_MS;
	bool has_last = k->has_reached && now_ms - k->delivered_ms < CONTACT_KEEP_MS;
	const struct last none = { 0 }, *last = has_last ? &k->last : &none;
	out->type = xfed_span_str(k->trying_id ? k->trying.type : last->type);
	last = k->trying.thread ? &k->trying : last;
	out->thread = xfed_span_make(last->thread, last->thread_len);
}

void contacts_tick(struct contacts *c, uint64_t now_ms)
{
	for (int i = 0; i < FORGET_PER_TICK && c->order && now_ms - c->order->used_ms >= CONTACT_KEEP_MS; i++) {
		forget(c, c->order);
	}
}

size_t contacts_count(const struct contacts *c)
{
	return c->count;
}
