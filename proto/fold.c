#include "proto/fold.h"

#include <stdio.h>

#include "util/list.h"
#include "util/table.h"

#define KEY_BYTES  320
#define TEXT_BYTES 256

/* The last of what is only counted. */
struct kept {
	struct proto_failure m;
	char local[TEXT_BYTES], remote[TEXT_BYTES], text[TEXT_BYTES], address[PROTO_WORD_BYTES];
};

struct slot {
	struct slot *prev, *next; /* unused for longest first */
	UT_hash_handle hh;
	uint64_t began_ms;
	uint32_t sent, left_out;
	struct kept kept; /* left_out > 0 */
	size_t key_len;
	char key[KEY_BYTES]; /* network, NUL, name; or network alone */
};

struct proto_fold {
	struct slot slots[PROTO_FOLD_SLOTS];
	struct slot *table, *order, *spare;
	struct slot all; /* in no table */
};

int proto_fold_new(struct proto_fold **out)
{
	struct proto_fold *f = xfed_calloc(1, sizeof(*f));
	*out = f;
	if (!f) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < PROTO_FOLD_SLOTS; i++) {
		DL_APPEND(f->spare, &f->slots[i]);
	}
	return XFED_OK;
}

void proto_fold_free(struct proto_fold *f)
{
	if (f) {
		HASH_CLEAR(hh, f->table);
		xfed_free(f);
	}
}

static const char *copy(char *out, size_t size, const char *in)
{
	return proto_text_clean(out, size, in);
}

static void keep(struct slot *s, const struct proto_failure *m, uint32_t count)
{
	struct kept *k = &s->kept;
	if (m != &k->m) {
		k->m = *m;
		k->m.local = copy(k->local, sizeof(k->local), m->local);
		k->m.remote = copy(k->remote, sizeof(k->remote), m->remote);
		k->m.text = copy(k->text, sizeof(k->text), m->text);
		k->m.address = copy(k->address, sizeof(k->address), m->address);
		k->m.steps = NULL;
		k->m.step_count = 0;
		k->m.cert = NULL;
	}
	s->left_out = s->left_out <= UINT32_MAX - count ? s->left_out + count : UINT32_MAX;
}

/* What is kept is told before its window begins anew, so a window never ends with something in it unless it was just taken. */
static bool has_room(struct slot *s, uint32_t most, uint64_t now_ms)
{
	if (s->left_out == 0 && now_ms - s->began_ms >= PROTO_FOLD_WINDOW_MS) {
		s->began_ms = now_ms;
		s->sent = 0;
	}
	return s->sent < most;
}

static struct slot *make_room(struct proto_fold *f)
{
	struct slot *s = f->spare;
	if (s) {
		DL_DELETE(f->spare, s);
		return s;
	}
	s = f->order;
	DL_DELETE(f->order, s);
	HASH_DELETE(hh, f->table, s);
	if (s->left_out > 0) {
		keep(&f->all, &s->kept.m, s->left_out);
	}
	return s;
}

/* NULL: no memory for the table. */
static struct slot *slot_of(struct proto_fold *f, const char *key, size_t len, uint64_t now_ms)
{
	struct slot *s = NULL;
	HASH_FIND(hh, f->table, key, len, s);
	if (s) {
		DL_DELETE(f->order, s);
		DL_APPEND(f->order, s);
		return s;
	}
	s = make_room(f);
	*s = (struct slot){ .began_ms = now_ms, .key_len = len };
	memcpy(s->key, key, len);
	HASH_ADD_KEYPTR(hh, f->table, s->key, s->key_len, s);
	if (!XFED_TABLE_ADDED(s)) {
		DL_APPEND(f->spare, s);
		return NULL;
	}
	DL_APPEND(f->order, s);
	return s;
}

static size_t write_key(char out[KEY_BYTES], struct xfed_span network, struct xfed_span name)
{
	size_t n = network.len < PROTO_WORD_BYTES ? network.len : PROTO_WORD_BYTES, room = KEY_BYTES - PROTO_WORD_BYTES - 1;
	size_t m = name.len < room ? name.len : room;
	memcpy(out, n > 0 ? network.data : "", n);
	out[n] = '\0';
	memcpy(out + n + 1, m > 0 ? name.data : "", m);
	return n + 1 + m;
}

bool proto_fold_take(struct proto_fold *f, struct xfed_span network, struct xfed_span name, const struct proto_failure *m, uint64_t now_ms,
	uint32_t *repeated)
{
	char key[KEY_BYTES];
	size_t len = write_key(key, network, name), net_len = strlen(key);
	*repeated = 0;
	if (!has_room(&f->all, PROTO_FOLD_ALL, now_ms)) {
		keep(&f->all, m, 1);
		return false;
	}
	struct slot *net = slot_of(f, key, net_len, now_ms);
	if (!net || !has_room(net, PROTO_FOLD_NETWORK, now_ms)) {
		keep(net ? net : &f->all, m, 1);
		return false;
	}
	struct slot *own = slot_of(f, key, len, now_ms);
	if (!own || !has_room(own, PROTO_FOLD_NAME, now_ms)) {
		keep(own ? own : net, m, 1);
		return false;
	}
	f->all.sent++;
	net->sent++;
	own->sent++;
	return true;
}

static bool take_out(struct slot *s, uint64_t now_ms, struct proto_failure *out, uint32_t *repeated)
{
	if (s->left_out == 0 || now_ms - s->began_ms < PROTO_FOLD_WINDOW_MS) {
		return false;
	}
	*out = s->kept.m;
	*repeated = s->left_out - 1;
	s->began_ms = now_ms;
	s->sent = 1;
	s->left_out = 0;
	return true;
}

bool proto_fold_next(struct proto_fold *f, uint64_t now_ms, struct proto_failure *out, uint32_t *repeated)
{
	if (take_out(&f->all, now_ms, out, repeated)) {
		return true;
	}
	for (size_t i = 0; i < PROTO_FOLD_SLOTS; i++) {
		if (take_out(&f->slots[i], now_ms, out, repeated)) {
			return true;
		}
	}
	return false;
}
