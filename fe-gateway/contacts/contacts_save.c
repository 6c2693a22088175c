/* Which pairs outlive a restart: those in which the user has written within a day, and those with a relation. */
#include <utlist.h>

#include "contacts/contacts_impl.h"
#include "xfed/rt/log.h"

#define SAVE_PAIRS     512  /* in one batch */
#define WRITE_AGAIN_MS 5000 /* after one that could not be written */
#define TRIM_EVERY_MS  (10 * 60 * 1000)
#define TIME_MAX_S     ((int64_t)1 << 40)

/* ---- what the store should know ---- */

static bool is_much_later(uint64_t then_ms, uint64_t saved_ms)
{
	return then_ms - saved_ms >= CONTACT_SAVE_MS;
}

static bool is_relation_new(const struct contact *k)
{
	bool is_used = k->used_s - k->saved.used_s >= CONTACT_USED_S || k->wanted_s - k->saved.wanted_s >= CONTACT_USED_S;
	return k->relation.state != k->saved.relation.state || k->relation.is_preapproved != k->saved.relation.is_preapproved ||
	       k->is_approved != k->saved.is_approved || k->asked_s != k->saved.asked_s || (k->is_related && is_used);
}

static bool is_worth_saving(const struct contact *k)
{
	if (is_relation_new(k)) {
		return true;
	}
	if (!k->has_written) {
		return false; /* contacts that only write to our users are not stored */
	}
	return !k->saved.has_written || is_much_later(k->wrote_ms, k->saved.wrote_ms) || k->is_alive != k->saved.is_alive ||
	       (k->is_alive && is_much_later(k->alive_ms, k->saved.alive_ms));
}

void contacts_mark(struct contacts *c, struct contact *k)
{
	if (c->store && !k->is_owing && !k->saved.is_changed && is_worth_saving(k)) {
		k->saved.is_changed = true;
		k->saved.turn = ++c->turn;
		DL_APPEND2(c->changed, k, saved.prev, saved.next);
	}
}

void contacts_unmark(struct contacts *c, struct contact *k)
{
	if (k->saved.is_changed) {
		k->saved.is_changed = false;
		DL_DELETE2(c->changed, k, saved.prev, saved.next);
	}
}

/* ---- writing ---- */

static int64_t to_wall(const struct contacts *c, uint64_t at_ms)
{
	return core_wall_s(c->core) - (int64_t)(core_now(c->core) - at_ms) / 1000;
}

static void remember(struct contact *k)
{
	k->saved.has_written = k->has_written;
	k->saved.is_alive = k->is_alive;
	k->saved.wrote_ms = k->wrote_ms;
	k->saved.alive_ms = k->alive_ms;
	k->saved.relation = k->relation;
	k->saved.asked_s = k->asked_s;
	k->saved.used_s = k->used_s;
	k->saved.wanted_s = k->wanted_s;
	k->saved.is_approved = k->is_approved;
}

static int put(struct contacts *c, struct contact *k)
{
	struct store_contact row = {
		.local = contact_local(k),
		.remote = contact_remote(k),
		.wrote_s = k->has_written ? to_wall(c, k->wrote_ms) : 0,
		.alive_s = k->is_alive ? to_wall(c, k->alive_ms) : 0,
		.relation = xfed_span_str(iw_relation_word(k->relation.state)),
		.is_preapproved = k->relation.is_preapproved,
		.asked_s = k->asked_s,
		.used_s = k->used_s,
		.wanted_s = k->wanted_s,
		.is_approved = k->is_approved,
	};
	return store_put_contact(&c->batch, &row);
}

static void tell(struct contacts_wait **list, int rc)
{
	struct contacts_wait *w;
	while ((w = *list)) {
		DL_DELETE(*list, w);
		w->done(w, rc);
	}
}

bool contacts_are_failing(const struct contacts *c)
{
	return c->store && store_state(c->store)->is_failing;
}

void contacts_when_saved(struct contacts *c, struct contact *k, struct contacts_wait *w)
{
	if (k) {
		contacts_told(c, k);
	}
	bool is_in_batch = k && c->is_writing && k->saved.batch == c->batch_number;
	if (!c->store || (k && !k->saved.is_changed && !is_in_batch)) {
		w->done(w, XFED_OK);
		return;
	}
	w->turn = c->turn; /* behind all that has changed so far: nobody is overtaken, and what changes later holds up nobody */
	DL_APPEND(c->waiting, w);
}

void contacts_break_waits(struct contacts *c)
{
	tell(&c->in_batch, XFED_ERR_STATE);
	tell(&c->waiting, XFED_ERR_STATE);
}

static void end_batch(struct contacts *c)
{
	store_batch_deinit(&c->batch);
	c->is_writing = false;
	c->write_again_ms = 0;
}

/* A full disk may have room again: the same batch is submitted once more, and what changes meanwhile waits behind it. */
static void on_written(struct store_batch *b)
{
	struct contacts *c = (struct contacts *)((char *)b - offsetof(struct contacts, batch));
	if (b->written == XFED_OK) {
		end_batch(c);
		tell(&c->in_batch, XFED_OK);
		if (c->is_stopping) {
			contacts_save(c);
		}
		return;
	}
	rt_log(RT_LOG_WARNING, "contacts.not-saved", RT_KV_REASON(XFED_REASON_STORE_WRITE_FAILED), RT_KV_STR("text", b->error), RT_END);
	tell(&c->in_batch, b->written);
	b->written = XFED_OK;
	c->write_again_ms = core_now(c->core) + WRITE_AGAIN_MS;
}

static void submit(struct contacts *c)
{
	c->write_again_ms = 0;
	store_submit(c->store, &c->batch);
}

/* Those all of whose changes are in the batch. Turns are taken in order. */
static void take_waiting(struct contacts *c)
{
	struct contacts_wait *w;
	while ((w = c->waiting) && (!c->changed || w->turn < c->changed->saved.turn)) {
		DL_DELETE(c->waiting, w);
		DL_APPEND(c->in_batch, w);
	}
}

static void write_changed(struct contacts *c)
{
	uint64_t now = core_now(c->core);
	bool is_trim_due = now - c->trimmed_ms >= TRIM_EVERY_MS;
	int rc = XFED_OK;
	if (!c->changed && !is_trim_due) {
		tell(&c->waiting, XFED_OK);
		return;
	}
	store_batch_init(&c->batch, on_written);
	c->batch_number++;
	if (is_trim_due) {
		rc = store_trim_contacts(&c->batch, c->max, core_wall_s(c->core) - (int64_t)(CONTACT_KEEP_MS / 1000));
		c->trimmed_ms = now;
	}
	for (int i = 0; i < SAVE_PAIRS && c->changed && rc == XFED_OK; i++) {
		struct contact *k = c->changed;
		rc = put(c, k);
		if (rc == XFED_OK) {
			contacts_unmark(c, k);
			remember(k);
			k->saved.batch = c->batch_number;
		}
	}
	take_waiting(c);
	c->is_writing = true; /* rows that found no memory stay in `changed` */
	submit(c);
}

void contacts_save(struct contacts *c)
{
	if (!c->store) {
		return;
	}
	if (!c->is_writing) {
		write_changed(c);
	} else if (c->write_again_ms && c->waiting) {
		tell(&c->waiting, XFED_ERR_LIBRARY); /* the store fails: those behind the failed batch are told so at once */
	} else if (c->write_again_ms && core_now(c->core) >= c->write_again_ms) {
		submit(c);
	}
}

void contacts_flush(struct contacts *c)
{
	if (c->waiting) {
		contacts_save(c);
	}
}

void contacts_stop(struct contacts *c)
{
	if (c) {
		c->is_stopping = true;
		contacts_save(c);
	}
}

/* ---- loading ---- */

struct loading {
	struct contacts *contacts;
	int64_t wall_s;
	uint64_t now_ms;
};

/*
 * A time of the wall clock that no clock has is now, or the beginning of time. One that is only still to come is believed: this host's clock
 * may be behind for the moment, and who was used then would lapse when it is set right.
 */
static int64_t time_of(const struct loading *l, int64_t at_s)
{
	return at_s < 0 ? 0 : at_s < TIME_MAX_S ? at_s : l->wall_s;
}

/* For what passes within a day: what is still to come is now. */
static int64_t past(const struct loading *l, int64_t at_s)
{
	return at_s < 0 ? 0 : at_s < l->wall_s ? at_s : l->wall_s;
}

static uint64_t from_wall(const struct loading *l, int64_t at_s)
{
	return l->now_ms - (uint64_t)(l->wall_s - past(l, at_s)) * 1000; /* may wrap, as do the differences that are taken of it */
}

static int take_row(void *user, const struct store_contact *row)
{
	const struct loading *l = user;
	struct iw_relation r = { .is_preapproved = row->is_preapproved };
	bool is_related = iw_relation_of_word(row->relation, &r.state) && (r.state != IW_RELATION_NONE || r.is_preapproved || row->is_approved);
	bool is_recent = l->wall_s - past(l, row->wrote_s) < (int64_t)(CONTACT_KEEP_MS / 1000);
	if ((!is_related && !is_recent) || row->local.len == 0 || row->remote.len == 0) {
		return XFED_OK;
	}
	struct contact *k = contacts_hold(l->contacts, NULL, row->local, row->remote);
	if (!k) {
		return XFED_ERR_NOMEM;
	}
	if (is_recent) {
		contact_wrote(k, from_wall(l, row->wrote_s));
	}
	if (row->alive_s > 0) {
		contact_took(k, from_wall(l, row->alive_s));
	}
	if (is_related) {
		int64_t asked_s = row->asked_s > 0 ? time_of(l, row->asked_s) : l->wall_s; /* a request without a time would wait for ever */
		k->used_s = time_of(l, row->used_s);
		k->wanted_s = time_of(l, row->wanted_s);
		k->is_approved = row->is_approved;
		contacts_relate(l->contacts, k, r, iw_relation_is_pending_in(r.state) ? asked_s : 0);
	}
	remember(k);
	contacts_give_back(l->contacts, k, l->now_ms);
	return XFED_OK;
}

int contacts_load(struct contacts *c, const struct core *core, struct store *s, char error[256])
{
	struct loading l = { c, core_wall_s(core), core_now(core) };
	c->core = core;
	c->trimmed_ms = l.now_ms;
	int rc = store_load_contacts(s, take_row, &l, error);
	c->store = rc == XFED_OK ? s : NULL;
	return rc;
}
