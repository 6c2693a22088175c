#include "presence/keep.h"

#include <utlist.h>

#include "presence/rights.h"
#include "presence/stale.h"
#include "xfed/rt/log.h"
#include "xfed/text.h"

#define WRITE_AGAIN_MS 5000 /* after a batch that could not be written */
#define DIALOG_BYTES   (64 * 1024)

/* A stored watch until it is resumed; its texts follow the struct in the same block. */
struct kept {
	struct kept *prev, *next;
	struct xfed_span name, local, remote, dialog;
	int64_t until_s;
};

/* One batch is written while the next one fills. */
struct keep_batch {
	struct store_batch batch; /* first */
	struct keep *keep;
	bool has_rows;
};

/* What the batch is written behind; it may outlive the room. */
struct keep_wait {
	struct contacts_wait wait; /* first */
	struct keep *keep;	   /* NULL: it is waited for no more */
};

struct keep {
	struct presence *presence;
	struct store *store;
	struct keep_batch batches[2];
	struct keep_batch *filling;
	bool is_writing, is_stopping; /* writing: the other one */
	struct keep_wait *wait;	      /* NULL: it is with the store, or below */
	uint64_t write_again_ms;      /* it could not be written, and is tried again then; 0: it is on its way */
	struct kept *waiting;
};

/* ---- what has changed goes to the store ---- */

static void on_written(struct store_batch *b)
{
	struct keep *k = ((struct keep_batch *)b)->keep;
	if (b->written != XFED_OK) {
		rt_log(RT_LOG_WARNING, "presence.not-saved", RT_KV_REASON(XFED_REASON_STORE_WRITE_FAILED), RT_KV_STR("text", b->error), RT_END);
		b->written = XFED_OK;
		k->write_again_ms = presence_now(k->presence) + WRITE_AGAIN_MS;
		return;
	}
	store_batch_deinit(b);
	k->is_writing = false;
	if (k->is_stopping) {
		keep_flush(k->presence);
	}
}

static void fill_next(struct keep *k)
{
	k->filling = k->filling == &k->batches[0] ? &k->batches[1] : &k->batches[0];
	k->filling->has_rows = false;
	k->filling->keep = k;
	store_batch_init(&k->filling->batch, on_written);
}

static void submit(struct keep *k)
{
	k->write_again_ms = 0;
	store_submit(k->store, &(k->filling == &k->batches[0] ? &k->batches[1] : &k->batches[0])->batch);
}

static void on_contacts_saved(struct contacts_wait *wait, int rc)
{
	struct keep_wait *w = (struct keep_wait *)wait;
	struct keep *k = w->keep;
	xfed_free(w);
	if (!k) {
		return;
	}
	k->wait = NULL;
	if (rc == XFED_OK) {
		submit(k);
	} else {
		k->write_again_ms = presence_now(k->presence) + WRITE_AGAIN_MS;
	}
}

/*
 * The store has a watch when it has the relation that its SUBSCRIBE has made: a process that finds the one without the other takes it for
 * refused. With the process the rooms below write what they have.
 */
static void submit_behind_contacts(struct keep *k)
{
	struct keep_wait *w = k->is_stopping ? NULL : xfed_malloc(sizeof(*w));
	if (!w) {
		submit(k);
		return;
	}
	*w = (struct keep_wait){ .wait = { .done = on_contacts_saved }, .keep = k };
	k->write_again_ms = 0;
	k->wait = w;
	contacts_when_saved(k->presence->contacts, NULL, &w->wait);
	core_flush_soon(k->presence->core);
}

void keep_flush(struct presence *p)
{
	struct keep *k = p->keep;
	if (k && k->filling->has_rows && !k->is_writing) {
		k->is_writing = true;
		fill_next(k);
		submit_behind_contacts(k);
	}
}

void keep_stop(struct presence *p)
{
	struct keep *k = p->keep;
	if (!k) {
		return;
	}
	k->is_stopping = true;
	if (k->wait) {
		k->wait->keep = NULL;
		k->wait = NULL;
		submit(k);
	}
	keep_flush(p);
}

static void put(struct keep *k, const struct store_watch *row)
{
	if (store_put_watch(&k->filling->batch, row) != XFED_OK) {
		rt_log(RT_LOG_WARNING, "presence.not-saved", RT_KV_REASON(XFED_REASON_STREAM_INTERNAL), RT_KV_ADDRESS("local", row->local), RT_END);
		return;
	}
	k->filling->has_rows = true;
	core_flush_soon(k->presence->core);
}

static void put_dialog(struct keep *k, const struct watch *w, const struct sip_dialog *d, struct xfed_buf *text)
{
	const struct pair *pair = w->party.pair;
	uint64_t now = presence_now(k->presence), left = w->machine.expires_ms > now ? w->machine.expires_ms - now : 0;
	bool is_up = w->machine.state == SIP_SUB_ACTIVE || w->machine.state == SIP_SUB_PENDING;
	struct store_watch row = { .local = contact_local(pair->contact), .remote = contact_remote(pair->contact) };
	row.until_s = is_up ? core_wall_s(k->presence->core) + (int64_t)(left / 1000) : 0;
	struct xfed_span call_id = sip_dialog_text(d, SIP_DIALOG_CALL_ID), tag = sip_dialog_text(d, SIP_DIALOG_LOCAL_TAG);
	int rc = xfed_buf_printf(text, "%.*s %.*s", (int)call_id.len, call_id.data, (int)tag.len, tag.data);
	size_t name = xfed_buf_len(text);
	rc = rc == XFED_OK ? sip_dialog_write(d, text) : rc;
	if (rc == XFED_OK) {
		row.name = xfed_span_make(xfed_buf_span(text).data, name);
		row.dialog = xfed_span_make(xfed_buf_span(text).data + name, xfed_buf_len(text) - name);
		put(k, &row);
	}
}

void keep_watch(struct watch *w)
{
	struct keep *k = w->party.pair->presence->keep;
	const struct sip_dialog *d = k ? trunk_dialog(k->presence->trunk, w->party.dialog) : NULL;
	struct xfed_buf text;
	if (d) {
		xfed_buf_init(&text, DIALOG_BYTES);
		put_dialog(k, w, d, &text);
		xfed_buf_deinit(&text);
	}
}

/* ---- after a start ---- */

static void forget(struct keep *k, struct kept *x)
{
	put(k, &(struct store_watch){ .name = x->name });
	xfed_free(x);
}

static struct watch *take_up(struct keep *k, struct kept *x, struct pair *pair)
{
	struct watch *w = watch_resume(pair, x->until_s - core_wall_s(k->presence->core));
	if (w) {
		w->kept = x;
	}
	return w;
}

static void take_up_next(struct keep *k)
{
	struct presence *p = k->presence;
	struct kept *x = k->waiting;
	DL_DELETE(k->waiting, x);
	struct contact *c = x->until_s > core_wall_s(p->core) ? contacts_hold(p->contacts, NULL, x->local, x->remote) : NULL;
	struct pair *pair = c ? pair_of(p, c) : NULL;
	struct watch *w = pair ? take_up(k, x, pair) : NULL;
	if (w) {
		trunk_want(&w->party.send); /* calls keep_located(), perhaps before it returns */
	} else {
		forget(k, x);
	}
	if (pair) {
		pair_release(pair);
	}
	contacts_give_back(p->contacts, c, presence_now(p));
}

void keep_drop(struct watch *w)
{
	xfed_free(w->kept);
	w->kept = NULL;
}

static bool may_go_on(const struct pair *pair)
{
	enum iw_relation_state s = contact_relation(pair->contact).state;
	return (iw_relation_is_to(s) || iw_relation_is_pending_out(s)) && pair_may_see(pair, false);
}

void keep_located(struct watch *w, bool is_found)
{
	struct keep *k = w->party.pair->presence->keep;
	struct kept *x = w->kept;
	if (!x) {
		return;
	}
	w->kept = NULL;
	enum sip_transport transport = w->party.transport;
	uint64_t dialog = is_found ? trunk_dialog_resume(&w->party.send, w->party.id, x->dialog, &transport) : 0;
	w->party.transport = transport;
	if (dialog == 0) {
		w->is_gone = true;
		party_queue(&w->party);
	}
	if (is_found) {
		trunk_send_end(&w->party.send); /* further requests follow the dialog */
		party_dialog(&w->party, dialog);
		pair_doubt(w->party.pair, PRESENCE_DOUBT_START);
		if (dialog == 0) {
			forget(k, x);
		} else {
			xfed_free(x);
			keep_watch(w);		/* its CSeq was moved ahead */
			party_queue(&w->party); /* what was to be told meanwhile */
			if (!may_go_on(w->party.pair)) {
				watch_end(w, SIP_END_REJECTED); /* the device still shows what it was told before */
			}
		}
	} else if (w->machine.state == SIP_SUB_TERMINATED && may_go_on(w->party.pair)) {
		forget(k, x); /* its time is over, or an operator has ended it: nothing else would end it again */
	} else {
		DL_APPEND(k->waiting, x); /* tried again in the next tick */
	}
}

void keep_tick(struct presence *p, size_t most)
{
	struct keep *k = p->keep;
	if (!k) {
		return;
	}
	if (k->is_writing && k->write_again_ms != 0 && presence_now(p) >= k->write_again_ms) {
		submit_behind_contacts(k);
	}
	for (size_t i = 0; i < most && k->waiting; i++) {
		take_up_next(k);
	}
}

/* ---- the room's ---- */

static int take_row(void *user, const struct store_watch *row)
{
	struct keep *k = user;
	struct kept *x = xfed_malloc(sizeof(*x) + row->name.len + row->local.len + row->remote.len + row->dialog.len + 4);
	if (!x) {
		return XFED_ERR_NOMEM;
	}
	char *at = (char *)(x + 1);
	int64_t most_s = core_wall_s(k->presence->core) + policy_config(k->presence->policy)->presence.refresh_ms / 1000;
	*x = (struct kept){ .until_s = row->until_s < most_s ? row->until_s : most_s }; /* none was granted more */
	x->name = xfed_span_put(&at, row->name);
	x->local = xfed_span_put(&at, row->local);
	x->remote = xfed_span_put(&at, row->remote);
	x->dialog = xfed_span_put(&at, row->dialog);
	DL_APPEND(k->waiting, x);
	return XFED_OK;
}

int keep_load(struct presence *p, struct store *s, char error[256])
{
	struct keep *k = p->keep = xfed_calloc(1, sizeof(*k));
	if (!k) {
		return XFED_ERR_NOMEM;
	}
	k->presence = p;
	k->store = s;
	fill_next(k);
	int64_t now_s = core_wall_s(p->core);
	k->filling->has_rows = store_trim_watches(&k->filling->batch, now_s) == XFED_OK;
	return store_load_watches(s, now_s, take_row, k, error);
}

void keep_free(struct presence *p)
{
	struct keep *k = p->keep;
	struct kept *x, *next;
	if (!k) {
		return;
	}
	DL_FOREACH_SAFE(k->waiting, x, next) {
		xfed_free(x);
	}
	store_batch_deinit(&k->batches[0].batch);
	store_batch_deinit(&k->batches[1].batch);
	xfed_free(k);
}
