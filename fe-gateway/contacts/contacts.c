#include "contacts/contacts_impl.h"

#include <utlist.h>

#include "util/table.h"

#define FORGET_PER_TICK 256

static struct contact **order_of(struct contacts *c, const struct contact *k)
{
	return k->has_written ? &c->written : &c->heard;
}

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

static void release(struct contacts *c, struct contact *k)
{
	HASH_DELETE(hh, c->table, k);
	contacts_unmark(c, k);
	contacts_ungroup(c, k);
	c->count--;
	c->related_count -= k->is_related;
	if (k->messages) {
		xfed_free(k->messages->last.thread);
		xfed_free(k->messages->trying.thread);
		xfed_free(k->messages);
	}
	xfed_free(k);
}

static void forget(struct contacts *c, struct contact *k)
{
	struct contact **order = order_of(c, k);
	DL_DELETE(*order, k);
	release(c, k);
}

void contacts_free(struct contacts *c)
{
	struct contact *k, *next;
	if (!c) {
		return;
	}
	HASH_ITER(hh, c->table, k, next) {
		release(c, k);
	}
	contacts_break_waits(c);
	if (c->is_writing) { /* could not be written to the end */
		store_batch_deinit(&c->batch);
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

struct contact *contacts_find(const struct contacts *c, struct xfed_span local, struct xfed_span remote)
{
	XFED_UNSET char key[2 * 2048 + 1];
	struct contact *k = NULL;
	if (local.len + remote.len + 1 <= sizeof(key)) {
		size_t len = write_key(local, remote, key);
		HASH_FIND(hh, c->table, key, len, k);
	}
	return k;
}

static struct contact *make(struct contacts *c, struct xfed_span local, struct xfed_span remote)
{
	while (c->count - c->related_count >= c->max && (c->heard || c->written)) {
		forget(c, c->heard ? c->heard : c->written);
	}
	struct contact *k = xfed_malloc(sizeof(*k) + local.len + remote.len + 1);
	if (!k) {
		return NULL;
	}
	memset(k, 0, sizeof(*k));
	k->key_len = (uint32_t)write_key(local, remote, k->key);
	k->local_len = (uint32_t)local.len;
	if (contacts_group(c, k) != XFED_OK) {
		xfed_free(k);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, c->table, k->key, k->key_len, k);
	if (!XFED_TABLE_ADDED(k)) {
		contacts_ungroup(c, k);
		xfed_free(k);
		return NULL;
	}
	c->count++;
	return k;
}

struct contact *contacts_hold(struct contacts *c, struct contact *known, struct xfed_span local, struct xfed_span remote)
{
	struct contact *k = known ? known : contacts_find(c, local, remote), **order;
	if (k && k->holders == 0 && !k->is_related) {
		order = order_of(c, k);
		DL_DELETE(*order, k);
	}
	k = k ? k : make(c, local, remote);
	if (k) {
		k->holders++;
	}
	return k;
}

/* A message of the user's older than a day does not keep the pair in `written`. */
void contacts_give_back(struct contacts *c, struct contact *k, uint64_t now_ms)
{
	struct contact **order;
	if (k && k->is_related && k->has_use && c->core) { /* a message is a use of the relation too */
		contacts_used(c, k, k->has_users_use, core_wall_s(c->core));
	}
	if (!k || --k->holders > 0) {
		return;
	}
	k->used_ms = now_ms;
	k->has_written = k->has_written && now_ms - k->wrote_ms < CONTACT_KEEP_MS;
	k->has_use = k->has_users_use = false;
	contacts_mark(c, k);
	if (!k->is_related) {
		order = order_of(c, k);
		DL_APPEND(*order, k);
	}
}

void contact_wrote(struct contact *k, uint64_t now_ms)
{
	k->has_written = k->has_use = k->has_users_use = true;
	k->wrote_ms = now_ms;
}

void contact_heard(struct contact *k, uint64_t now_ms)
{
	contact_took(k, now_ms);
	k->has_use = true;
}

void contact_took(struct contact *k, uint64_t now_ms)
{
	k->is_alive = true;
	k->alive_ms = now_ms;
}

void contact_failed(struct contact *k)
{
	k->is_alive = false;
}

int contact_trying(struct contact *k, uint64_t id, struct xfed_span type, struct xfed_span thread)
{
	k->messages = k->messages ? k->messages : xfed_calloc(1, sizeof(*k->messages));
	struct contact_messages *m = k->messages;
	char *copy = m && thread.data ? xfed_strndup(thread) : NULL;
	if (!m || (thread.data && !copy)) {
		return XFED_ERR_NOMEM;
	}
	xfed_free(m->trying.thread);
	m->trying = (struct last){ xfed_span_is(type, "chat") ? "chat" : xfed_span_is(type, "normal") ? "normal" : NULL, copy, thread.len };
	m->trying_id = id;
	return XFED_OK;
}

void contact_tried(struct contact *k, uint64_t id, bool is_delivered, uint64_t now_ms)
{
	struct contact_messages *m = k->messages;
	if (!m || m->trying_id != id) {
		return;
	}
	if (is_delivered) {
		k->has_reached = true;
		k->delivered_ms = now_ms;
		if (!m->trying.thread) { /* one without a thread ends none */
			m->trying.thread = m->last.thread;
			m->trying.thread_len = m->last.thread_len;
			m->last.thread = NULL;
		}
		xfed_free(m->last.thread);
		m->last = m->trying;
	} else {
		xfed_free(m->trying.thread);
	}
	m->trying = (struct last){ 0 };
	m->trying_id = 0;
}

void contact_facts(const struct contact *k, uint64_t now_ms, struct contact_facts *out)
{
	*out = (struct contact_facts){ 0 };
	if (!k) {
		return;
	}
	out->is_written_to = k->has_written && now_ms - k->wrote_ms < CONTACT_KEEP_MS;
	out->is_alive = k->is_alive && now_ms - k->alive_ms < CONTACT_KEEP_MS;
	out->is_added = iw_relation_is_to(k->relation.state) || iw_relation_is_pending_out(k->relation.state) || k->is_approved;
	out->is_watching = iw_relation_is_from(k->relation.state);
	bool has_last = k->has_reached && now_ms - k->delivered_ms < CONTACT_KEEP_MS;
	const struct contact_messages empty = { 0 }, *m = k->messages ? k->messages : &empty;
	const struct last *last = has_last ? &m->last : &empty.last;
	out->type = xfed_span_str(m->trying_id ? m->trying.type : last->type);
	last = m->trying.thread ? &m->trying : last;
	out->thread = xfed_span_make(last->thread, last->thread_len);
}

/* ---- the relation ---- */

struct iw_relation contact_relation(const struct contact *k)
{
	return k ? k->relation : (struct iw_relation){ 0 };
}

static void judge_related(struct contacts *c, struct contact *k)
{
	bool is_related = k->relation.state != IW_RELATION_NONE || k->relation.is_preapproved || k->is_approved;
	if (is_related && !k->is_related) {
		DL_APPEND(c->related, k);
		contacts_list(c, k);
	} else if (!is_related && k->is_related) {
		DL_DELETE(c->related, k);
		contacts_unlist(c, k);
	}
	c->related_count = c->related_count + is_related - k->is_related;
	k->is_related = is_related;
	contacts_mark(c, k);
}

static bool is_wanted(enum iw_relation_state s)
{
	return iw_relation_is_to(s) || iw_relation_is_pending_out(s);
}

size_t contact_users_wanted(const struct contact *k)
{
	return k->of_user.group->wanted;
}

void contacts_relate(struct contacts *c, struct contact *k, struct iw_relation r, int64_t asked_s)
{
	struct contact_group *user = k->of_user.group;
	user->wanted = user->wanted + is_wanted(r.state) - is_wanted(k->relation.state);
	k->relation = r;
	k->asked_s = asked_s;
	k->is_owing = k->is_owing && !iw_relation_is_from(r.state);
	judge_related(c, k);
}

void contacts_owe(struct contact *k)
{
	k->is_owing = k->is_owing || !k->saved.is_changed;
}

void contacts_told(struct contacts *c, struct contact *k)
{
	k->is_owing = false;
	contacts_mark(c, k);
}

int64_t contact_asked_s(const struct contact *k)
{
	return k->asked_s;
}

void contacts_approve(struct contacts *c, struct contact *k, bool is_approved)
{
	k->is_approved = is_approved;
	judge_related(c, k);
}

bool contact_is_approved(const struct contact *k)
{
	return k->is_approved;
}

void contacts_used(struct contacts *c, struct contact *k, bool is_by_user, int64_t now_s)
{
	k->used_s = now_s > k->used_s ? now_s : k->used_s; /* a clock that is behind for a while makes nobody unused */
	k->wanted_s = is_by_user && now_s > k->wanted_s ? now_s : k->wanted_s;
	contacts_mark(c, k);
}

int64_t contact_used_s(const struct contact *k)
{
	return k->used_s;
}

int64_t contact_wanted_s(const struct contact *k)
{
	return k->wanted_s;
}

struct xfed_span contact_local(const struct contact *k)
{
	return xfed_span_make(k->key, k->local_len);
}

struct xfed_span contact_remote(const struct contact *k)
{
	return xfed_span_make(k->key + k->local_len + 1, k->key_len - k->local_len - 1);
}

void *contact_live(const struct contact *k)
{
	return k->live;
}

void contact_set_live(struct contact *k, void *live)
{
	k->live = live;
}

bool contact_is_related(const struct contact *k)
{
	return k->is_related;
}

size_t contacts_related_count(const struct contacts *c)
{
	return c->related_count;
}

struct contact *contacts_rotate(struct contacts *c)
{
	struct contact *k = c->related;
	if (k) {
		DL_DELETE(c->related, k);
		DL_APPEND(c->related, k);
	}
	return k;
}

/* ---- forgetting ---- */

static bool is_old(const struct contact *k, uint64_t now_ms)
{
	return k && now_ms - k->used_ms >= CONTACT_KEEP_MS;
}

void contacts_tick(struct contacts *c, uint64_t now_ms)
{
	for (int i = 0; i < FORGET_PER_TICK; i++) {
		struct contact *old = is_old(c->heard, now_ms) ? c->heard : c->written;
		if (!is_old(old, now_ms)) {
			return;
		}
		forget(c, old);
	}
}

size_t contacts_count(const struct contacts *c)
{
	return c->count;
}
