#include "proto/fold.h"

#include <stdio.h>

#include "util/list.h"
#include "util/table.h"
#include "xfed/limits.h"

#define KEY_BYTES  320
#define TEXT_BYTES 256

/* The last failure that was counted and not sent. */
struct kept {
	struct proto_failure m;
	char local[TEXT_BYTES], remote[TEXT_BYTES], text[TEXT_BYTES], address[PROTO_WORD_BYTES];
};

struct slot {
	struct slot *prev, *next;	    /* links in its pool; the one unused for longest first */
	struct slot *wait_prev, *wait_next; /* links while left_out > 0 */
	UT_hash_handle hh;
	uint64_t began_ms;
	uint32_t sent, left_out;
	struct kept kept; /* valid while left_out > 0 */
	size_t key_len;
	char key[KEY_BYTES]; /* network, NUL, name; or one of them alone */
};

/* When a pool is full the slot unused for longest is reused. */
struct pool {
	struct slot slots[XFED_FOLD_SLOTS];
	struct slot *table, *order, *spare;
	struct slot all; /* limit for the whole pool; is in no table */
};

struct proto_fold {
	struct pool nobody; /* networks of peers that do not claim a listed partner's name */
	struct pool listed; /* networks of peers that do, and the names in them: kept failures are kept by name */
	struct slot *names; /* listed names, from any network; as many as are claimed within a window */
	struct slot *waiting;
	size_t waiting_count;
};

int proto_fold_new(struct proto_fold **out)
{
	struct proto_fold *f = xfed_calloc(1, sizeof(*f));
	*out = f;
	if (!f) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < XFED_FOLD_SLOTS; i++) {
		DL_APPEND(f->nobody.spare, &f->nobody.slots[i]);
		DL_APPEND(f->listed.spare, &f->listed.slots[i]);
	}
	return XFED_OK;
}

static void forget_names(struct proto_fold *f, uint64_t ended_ms)
{
	struct slot *s, *next;
	HASH_ITER(hh, f->names, s, next) {
		if (s->left_out == 0 && s->began_ms <= ended_ms) {
			HASH_DELETE(hh, f->names, s);
			xfed_free(s);
		}
	}
}

void proto_fold_free(struct proto_fold *f)
{
	if (f) {
		for (struct slot *s = f->waiting; s; s = s->wait_next) {
			s->left_out = 0;
		}
		forget_names(f, UINT64_MAX);
		HASH_CLEAR(hh, f->nobody.table);
		HASH_CLEAR(hh, f->listed.table);
		xfed_free(f);
	}
}

static const char *copy(char *out, size_t size, const char *in)
{
	return proto_text_clean(out, size, in);
}

static void keep(struct proto_fold *f, struct slot *s, const struct proto_failure *m, uint32_t count)
{
	struct kept *k = &s->kept;
	k->m = *m;
	k->m.local = copy(k->local, sizeof(k->local), m->local);
	k->m.remote = copy(k->remote, sizeof(k->remote), m->remote);
	k->m.text = copy(k->text, sizeof(k->text), m->text);
	k->m.address = copy(k->address, sizeof(k->address), m->address);
	k->m.steps = NULL;
	k->m.step_count = 0;
	k->m.cert = NULL;
	if (s->left_out == 0) {
		DL_APPEND2(f->waiting, s, wait_prev, wait_next);
		f->waiting_count++;
	}
	s->left_out = s->left_out <= UINT32_MAX - count ? s->left_out + count : UINT32_MAX;
}

static void release(struct proto_fold *f, struct slot *s)
{
	DL_DELETE2(f->waiting, s, wait_prev, wait_next);
	f->waiting_count--;
	s->left_out = 0;
}

/* A kept failure is sent before its window starts again, so there is never one left in it at that point, unless it was just counted. */
static bool has_room(struct slot *s, uint32_t most, uint64_t now_ms)
{
	if (s->left_out == 0 && now_ms - s->began_ms >= XFED_FOLD_WINDOW_MS) {
		s->began_ms = now_ms;
		s->sent = 0;
	}
	return s->sent < most;
}

/* NULL: no memory. */
static struct slot *name_of(struct proto_fold *f, const char *name, size_t len, uint64_t now_ms)
{
	struct slot *s = NULL;
	HASH_FIND(hh, f->names, name, len, s);
	if (s) {
		return s;
	}
	s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return NULL;
	}
	s->began_ms = now_ms;
	s->key_len = len;
	memcpy(s->key, name, len);
	HASH_ADD_KEYPTR(hh, f->names, s->key, s->key_len, s);
	if (!XFED_TABLE_ADDED(s)) {
		xfed_free(s);
		return NULL;
	}
	return s;
}

static struct slot *make_room(struct proto_fold *f, struct pool *p, uint64_t now_ms)
{
	struct slot *s = p->spare;
	if (s) {
		DL_DELETE(p->spare, s);
		return s;
	}
	s = p->order;
	DL_DELETE(p->order, s);
	HASH_DELETE(hh, p->table, s);
	if (s->left_out > 0) {
		size_t network = strlen(s->key) + 1;
		struct slot *name = p == &f->listed ? name_of(f, s->key + network, s->key_len - network, now_ms) : NULL;
		keep(f, name ? name : &p->all, &s->kept.m, s->left_out);
		release(f, s);
	}
	return s;
}

/* NULL: no memory for the table. */
static struct slot *slot_of(struct proto_fold *f, struct pool *p, const char *key, size_t len, uint64_t now_ms)
{
	struct slot *s = NULL;
	HASH_FIND(hh, p->table, key, len, s);
	if (s) {
		DL_DELETE(p->order, s);
		DL_APPEND(p->order, s);
		return s;
	}
	s = make_room(f, p, now_ms);
	*s = (struct slot){ .began_ms = now_ms, .key_len = len };
	memcpy(s->key, key, len);
	HASH_ADD_KEYPTR(hh, p->table, s->key, s->key_len, s);
	if (!XFED_TABLE_ADDED(s)) {
		DL_APPEND(p->spare, s);
		return NULL;
	}
	DL_APPEND(p->order, s);
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

static bool take_nobody(struct proto_fold *f, const char *key, size_t len, const struct proto_failure *m, uint64_t now_ms)
{
	struct slot *all = &f->nobody.all;
	if (!has_room(all, XFED_FOLD_ALL - XFED_FOLD_LISTED, now_ms)) {
		keep(f, all, m, 1);
		return false;
	}
	struct slot *net = slot_of(f, &f->nobody, key, len, now_ms);
	if (!net || !has_room(net, XFED_FOLD_NAME, now_ms)) {
		keep(f, net ? net : all, m, 1);
		return false;
	}
	all->sent++;
	net->sent++;
	return true;
}

static bool take_listed(struct proto_fold *f, const char *key, size_t len, const struct proto_failure *m, uint64_t now_ms)
{
	size_t network = strlen(key);
	struct pool *p = &f->listed;
	struct slot *name = name_of(f, key + network + 1, len - network - 1, now_ms), *net = slot_of(f, p, key, network, now_ms);
	struct slot *own = slot_of(f, p, key, len, now_ms);
	if (!name || !net || !own) {
		keep(f, own ? own : name ? name : &p->all, m, 1);
		return false;
	}
	struct {
		struct slot *slot;
		uint32_t most;
	} shares[] = { { &p->all, XFED_FOLD_LISTED }, { name, XFED_FOLD_PARTNER }, { net, XFED_FOLD_NETWORK }, { own, XFED_FOLD_NAME } };
	bool may = true;
	for (size_t i = 0; i < XFED_ARRAY_LEN(shares); i++) {
		may = has_room(shares[i].slot, shares[i].most, now_ms) && may;
	}
	if (!may && name->sent > 0) {
		keep(f, own, m, 1);
		return false;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(shares); i++) {
		shares[i].slot->sent++;
	}
	return true;
}

bool proto_fold_take(struct proto_fold *f, struct xfed_span network, struct xfed_span name, const struct proto_failure *m, uint64_t now_ms)
{
	char key[KEY_BYTES];
	size_t len = write_key(key, network, name);
	return name.len > 0 ? take_listed(f, key, len, m, now_ms) : take_nobody(f, key, strlen(key), m, now_ms);
}

/* Those whose time has not come are moved behind the others, so that the next call does not look at them first. */
bool proto_fold_next(struct proto_fold *f, uint64_t now_ms, struct proto_failure *out, uint32_t *repeated)
{
	for (size_t n = f->waiting_count; n > 0; n--) {
		struct slot *s = f->waiting;
		if (now_ms - s->began_ms >= XFED_FOLD_WINDOW_MS) {
			*out = s->kept.m;
			*repeated = s->left_out - 1;
			release(f, s);
			s->began_ms = now_ms;
			s->sent = 1;
			return true;
		}
		DL_DELETE2(f->waiting, s, wait_prev, wait_next);
		DL_APPEND2(f->waiting, s, wait_prev, wait_next);
	}
	if (now_ms >= XFED_FOLD_WINDOW_MS) {
		forget_names(f, now_ms - XFED_FOLD_WINDOW_MS);
	}
	return false;
}
