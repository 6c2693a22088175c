/*
 * Both ends of sessions and subscriptions against a hostile other end: every event in every state of the layer with its dialogs (legs),
 * and of the subscribers and notifiers that a user keeps for them as a feature would. The other end answers what we send, and sends
 * requests outside and inside of dialogs, with right and wrong tags, numbers, Contacts and routes, to and from strangers; connections fail
 * and close; the user calls, answers, cancels and ends as the input says; time passes.
 *
 * Properties: nothing is sent to an address that a message merely names; every message of ours parses again; every request of a user
 * ends exactly once; a server transaction of a peer that may send gives one final status; no dialog lives of which its user has not been
 * told; the table keeps its bound, and when time passes and the user ends what it knows nothing is left.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sip/event.h"
#include "sip/layer.h"
#include "xfed/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)   ((cond) ? (void)0 : abort())
#define PEER	     "192.0.2.9"
#define STRANGER     "192.0.2.66"
#define NAMED	     "198.51.100.7" /* by messages alone */
#define REQUESTS     48
#define TXNS	     48
#define DIALOGS	     32
#define TABLE_MAX    64
#define SENT	     8
#define SENT_BYTES   4096
#define FINALS	     64
#define BRANCH_BYTES 40
#define NUMBERS	     64

enum use { SESSION, SUBSCRIBER, NOTIFIER };

struct request { /* of the user, by its id */
	bool is_over;
	uint64_t txn, dialog;
	struct known *of; /* the subscription it is for */
	uint32_t number;
};

struct known { /* a dialog, or what becomes one; by the id the user gives it */
	bool is_used;
	enum use use;
	uint64_t dialog; /* 0: not made yet */
	uint64_t txn;	 /* SUBSCRIBE to be answered */
	struct sip_subscriber subscriber;
	struct sip_notifier notifier;
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct sip_layer *l;
	struct sip_user user;
	struct request requests[REQUESTS];
	unsigned request_count;
	struct known known[DIALOGS];
	struct {
		uint64_t txn, dialog;
		bool is_invite, is_udp, is_answered;
		char key[BRANCH_BYTES];
	} txns[TXNS];
	unsigned txn_count;
	struct {
		char bytes[SENT_BYTES];
		size_t len;
	} sent[SENT]; /* requests of ours */
	unsigned sent_count, branches, calls;
	char last[SENT_BYTES]; /* what came in last */
	size_t last_len;
	uint8_t last_how;
	struct {
		char key[BRANCH_BYTES];
		int status;
		uint64_t until_ms;
	} finals[FINALS]; /* what the user has answered */
	unsigned final_count;
	struct {
		uint64_t dialog;
		uint32_t cseq;
	} numbers[NUMBERS]; /* of dialogs: the last one that went out */
	uint64_t inside;    /* a new request of the user is about to go out in it */
	uint32_t random;
};

static struct world w;

static uint8_t byte(void)
{
	return w.at < w.end ? *w.at++ : 0;
}

static void env_random(void *user, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		w.random = w.random * 1103515245 + 12345;
		((uint8_t *)out)[i] = (uint8_t)(w.random >> 16);
	}
}
static const struct xfed_env env = { .random = env_random };

static void drain(void);

/* ---- what goes out ---- */

/* What a server transaction goes by: branch and method. */
static void key_of(const struct sip_message *m, char out[BRANCH_BYTES])
{
	snprintf(out, BRANCH_BYTES, "%.*s %.*s", (int)m->via.branch.len, m->via.branch.data, (int)m->cseq_method.len, m->cseq_method.data);
}

/* An answer to a request that its user has answered is that answer. */
static void on_final_out(const struct sip_message *m)
{
	char key[BRANCH_BYTES];
	key_of(m, key);
	for (unsigned i = 0; i < FINALS && i < w.final_count; i++) {
		if (strcmp(w.finals[i].key, key) == 0 && w.now < w.finals[i].until_ms) {
			MUST(w.finals[i].status == m->status);
		}
	}
}

/* Section 12.2.1.1: the numbers of a dialog count up. */
static void on_number(const struct sip_message *m)
{
	MUST(w.numbers[w.inside % NUMBERS].dialog != w.inside || m->cseq > w.numbers[w.inside % NUMBERS].cseq);
	w.numbers[w.inside % NUMBERS].dialog = w.inside;
	w.numbers[w.inside % NUMBERS].cseq = m->cseq;
	w.inside = 0;
}

static void on_send(const struct sip_layer_action *act)
{
	struct sip_message *m;
	struct sip_error err;
	MUST(strcmp(act->target.ip, PEER) == 0 || strcmp(act->target.ip, STRANGER) == 0);
	MUST(sip_message_parse(act->bytes, SIP_PARSE_STREAM, &m, &err) == XFED_OK);
	if (m->is_request) {
		MUST(strcmp(act->target.ip, PEER) == 0);
		if (w.inside != 0) {
			on_number(m);
		}
	}
	if (m->is_request && act->bytes.len <= SENT_BYTES) {
		unsigned i = w.sent_count++ % SENT;
		memcpy(w.sent[i].bytes, act->bytes.data, act->bytes.len);
		w.sent[i].len = act->bytes.len;
	} else if (!m->is_request && m->status >= 200 && strcmp(act->target.ip, PEER) == 0) {
		on_final_out(m);
	}
	sip_message_free(m);
}

/* ---- the user ---- */

static struct known *known_new(enum use use)
{
	for (size_t i = 0; i < DIALOGS; i++) {
		if (!w.known[i].is_used) {
			w.known[i] = (struct known){ .is_used = true, .use = use };
			return &w.known[i];
		}
	}
	return NULL;
}

static struct known *known_by_dialog(uint64_t dialog)
{
	for (size_t i = 0; dialog != 0 && i < DIALOGS; i++) {
		if (w.known[i].is_used && w.known[i].dialog == dialog) {
			return &w.known[i];
		}
	}
	return NULL;
}

static void forget(struct known *k)
{
	if (k->dialog != 0) {
		sip_layer_dialog_end(w.l, k->dialog);
	}
	for (unsigned i = 0; i < w.request_count; i++) {
		w.requests[i].of = w.requests[i].of == k ? NULL : w.requests[i].of;
	}
	k->is_used = false;
}

/* Ends may be told while the actions are drained; what follows from them is done afterwards. */
static void feed_subscriber(struct known *k, const struct sip_subscriber_event *ev);

static bool ask(struct known *k, const char *method, uint64_t dialog, const char *extra, uint32_t number, uint8_t how)
{
	static const char *const contacts[] = { "<sip:us@192.0.2.1>", "<sip:us@192.0.2.1;transport=tcp>" };
	char call_id[32];
	if (w.request_count == REQUESTS) {
		return false;
	}
	struct request *r = &w.requests[w.request_count];
	snprintf(call_id, sizeof(call_id), "c%u", ++w.calls);
	struct sip_layer_request rq = {
		.target = { .transport = how & 1 ? SIP_TCP : SIP_UDP, .ip = PEER, .port = 5060, .flow = how & 1 ? 2 : 0 },
		.request = { .method = xfed_span_str(method),
			.uri = XFED_SPAN("sip:peer@example.org"),
			.from_uri = XFED_SPAN("sip:us@example.net"),
			.from_tag = XFED_SPAN("ours"),
			.to_uri = XFED_SPAN("sip:peer@example.org"),
			.call_id = xfed_span_str(call_id),
			.cseq = 1,
			.contact = xfed_span_str(contacts[how & 1]),
			.extra = xfed_span_str(extra) },
		.user = &w.user,
		.id = w.request_count + 1,
		.dialog = dialog,
	};
	if (dialog != 0) {
		rq.target.ip[0] = '\0';
	}
	*r = (struct request){ .dialog = dialog, .of = k, .number = number };
	w.request_count++;
	if (sip_layer_request(w.l, &rq, w.now, &r->txn) != XFED_OK) {
		r->is_over = true;
		return false;
	}
	w.inside = dialog;
	drain();
	return true;
}

static void feed_notifier(struct known *k, const struct sip_notifier_event *ev)
{
	struct sip_notifier_action a;
	sip_notifier_step(&k->notifier, ev, w.now);
	for (unsigned i = 0; k->is_used && k->use == NOTIFIER && sip_notifier_next(&k->notifier, &a); i++) {
		char extra[256], value[SIP_SUB_VALUE_SIZE];
		if (a.kind == SIP_NOTIFIER_RESPOND) {
			snprintf(extra, sizeof(extra), "Expires: %lld\r\n", (long long)(a.expires_s > 0 ? a.expires_s : 0));
			struct sip_response r = { .status = a.status, .contact = XFED_SPAN("<sip:us@192.0.2.1>"), .extra = xfed_span_str(extra) };
			if (sip_layer_answer(w.l, k->txn, &r, 0, w.now) == XFED_OK) {
				drain();
			}
		} else if (a.kind == SIP_NOTIFIER_NOTIFY) {
			sip_sub_value_print(&a.value, value);
			snprintf(extra, sizeof(extra), "Event: presence\r\nSubscription-State: %s\r\n", value);
			(void)ask(k, "NOTIFY", k->dialog, extra, 0, 0);
		} else {
			forget(k);
		}
	}
}

static void feed_subscriber(struct known *k, const struct sip_subscriber_event *ev)
{
	struct sip_subscriber_action a;
	sip_subscriber_step(&k->subscriber, ev, w.now);
	while (k->is_used && k->use == SUBSCRIBER && sip_subscriber_next(&k->subscriber, &a)) {
		char extra[128];
		if (a.kind == SIP_SUBSCRIBER_SEND) {
			snprintf(extra, sizeof(extra), "Event: presence\r\nExpires: %lld\r\n", (long long)a.expires_s);
			if (a.is_new && k->dialog != 0) {
				sip_layer_dialog_end(w.l, k->dialog);
				k->dialog = 0;
			}
			(void)ask(k, "SUBSCRIBE", a.is_new ? 0 : k->dialog, extra, a.number, (uint8_t)a.number);
		} else if (a.state == SIP_SUB_TERMINATED && k->dialog != 0) {
			sip_layer_dialog_end(w.l, k->dialog);
			k->dialog = 0;
		}
	}
}

/* What the user does with what it was told, when the layer has nothing in hand: a list of things to do. */
struct todo {
	enum { ENDED, ANSWERED, CAME } kind;
	unsigned request;
	int status;
	uint64_t dialog, txn;
	struct sip_sub_value value;
	bool is_subscribe, is_notify, is_invite, has_value;
	int64_t expires_s, retry_after_s;
};
static struct todo todos[64];
static unsigned todo_count;

static void plan(const struct todo *t)
{
	MUST(todo_count < XFED_ARRAY_LEN(todos));
	todos[todo_count++] = *t;
}

static void end_request(uint64_t id, int status, uint64_t dialog, const struct sip_message *m)
{
	MUST(id >= 1 && id <= w.request_count);
	struct request *r = &w.requests[id - 1];
	MUST(!r->is_over);
	r->is_over = true;
	plan(&(struct todo){ .kind = ENDED,
		.request = (unsigned)id - 1,
		.status = status,
		.dialog = dialog,
		.expires_s = m ? m->expires : -1,
		.retry_after_s = m ? m->retry_after_s : -1 });
}

static void on_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	MUST(id >= 1 && id <= w.request_count && m->status > 100);
	if (m->status >= 200) {
		end_request(id, m->status, dialog, m);
		return;
	}
	struct request *r = &w.requests[id - 1];
	MUST(!r->is_over);
	if (r->of && r->of->use == SESSION && r->dialog == 0) {
		r->of->dialog = dialog; /* early */
	}
}

static void on_lost(void *data, uint64_t id, bool was_written)
{
	end_request(id, 408, 0, NULL);
}

static void on_request(void *data, const struct sip_incoming *rq)
{
	const struct sip_message *m = rq->message;
	struct todo t = { .kind = CAME, .txn = rq->txn, .dialog = rq->dialog, .expires_s = m->expires };
	if (rq->txn == 0) {
		return; /* an ACK */
	}
	MUST(rq->flow->is_known || rq->dialog == 0);
	unsigned i = w.txn_count++ % TXNS;
	w.txns[i].txn = rq->txn;
	w.txns[i].dialog = rq->dialog;
	w.txns[i].is_answered = !rq->flow->is_known; /* its end is not looked at */
	w.txns[i].is_invite = t.is_invite = xfed_span_is(m->method, "INVITE");
	key_of(m, w.txns[i].key);
	w.txns[i].is_udp = rq->flow->transport == SIP_UDP;
	t.is_subscribe = xfed_span_is(m->method, "SUBSCRIBE");
	t.is_notify = xfed_span_is(m->method, "NOTIFY");
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_SUBSCRIPTION_STATE, NULL);
	t.has_value = h && sip_sub_value_parse(h->value, &t.value) == XFED_OK;
	plan(&t);
}

static void on_cancelled(void *data, uint64_t txn)
{
	for (unsigned i = 0; i < TXNS; i++) {
		if (w.txns[i].txn == txn) {
			w.txns[i].is_answered = true;
		}
	}
}

static void drain(void)
{
	struct sip_layer_action act;
	while (sip_layer_next(w.l, &act)) {
		if (act.kind == SIP_ACT_SEND) {
			on_send(&act);
		} else if (act.kind == SIP_ACT_ENDED) {
			struct known *k = known_by_dialog(act.dialog);
			if (k) {
				k->dialog = 0;
				forget(k);
			}
		} else {
			(void)sip_layer_tell(&act);
		}
	}
	struct sip_layer_stats s = sip_layer_stats(w.l);
	MUST(s.servers <= TABLE_MAX && s.clients <= TABLE_MAX + DIALOGS && s.dialogs <= TABLE_MAX + 2 * DIALOGS);
}

static void was_ended(const struct todo *t)
{
	struct request *r = &w.requests[t->request];
	struct known *k = r->of;
	if (!k) { /* of a subscription that is over, or a plain request */
		if (t->status < 300 && t->dialog != 0 && t->dialog != r->dialog && !known_by_dialog(t->dialog)) {
			sip_layer_dialog_end(w.l, t->dialog); /* nobody wants it any more */
		}
		return;
	}
	bool is_made = t->status < 300 && t->dialog != 0;
	if (k->use == SESSION && r->dialog == 0) {
		k->dialog = is_made ? t->dialog : 0;
		if (!is_made) {
			forget(k);
		}
	} else if (k->use == SUBSCRIBER) {
		if (is_made && k->dialog == 0 && r->number == k->subscriber.number) {
			k->dialog = t->dialog;
		} else if (is_made && t->dialog != k->dialog) {
			sip_layer_dialog_end(w.l, t->dialog);
		}
		feed_subscriber(k, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_ANSWER,
					   .number = r->number,
					   .status = t->status,
					   .expires_s = t->expires_s,
					   .min_expires_s = -1,
					   .retry_after_s = t->retry_after_s });
	} else if (k->use == NOTIFIER) {
		feed_notifier(k, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_ANSWER, .status = t->status });
	}
}

static struct known *subscriber_waiting(uint64_t dialog)
{
	struct known *k = known_by_dialog(dialog);
	return k && k->use == SUBSCRIBER ? k : NULL;
}

static void answer_now(uint64_t txn, int status, const char *contact)
{
	struct sip_response r = { .status = status };
	if (contact) {
		r.contact = xfed_span_str(contact);
	}
	if (sip_layer_answer(w.l, txn, &r, 0, w.now) == XFED_OK) {
		drain();
	}
}

static void came(const struct todo *t)
{
	struct known *k = known_by_dialog(t->dialog);
	if (t->is_subscribe && t->dialog != 0) {
		if (!k && (k = known_new(NOTIFIER))) {
			sip_notifier_init(&k->notifier, &(struct sip_notifier_config){ 3600, 60, 7200, t->txn & 1 });
			k->dialog = t->dialog;
		}
		if (!k || k->use != NOTIFIER) {
			answer_now(t->txn, 480, NULL);
			return;
		}
		k->txn = t->txn;
		feed_notifier(k, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_SUBSCRIBE, .expires_s = t->expires_s });
	} else if (t->is_notify) {
		if (!k) { /* before the answer to SUBSCRIBE: the one that has no dialog yet */
			for (size_t i = 0; !k && i < DIALOGS; i++) {
				bool fits = w.known[i].is_used && w.known[i].use == SUBSCRIBER && w.known[i].dialog == 0;
				k = fits ? &w.known[i] : NULL;
			}
			if (k) {
				k->dialog = t->dialog;
			}
		}
		answer_now(t->txn, !t->has_value ? 400 : subscriber_waiting(t->dialog) ? 200 : 481, NULL);
		if (t->has_value && subscriber_waiting(t->dialog)) {
			feed_subscriber(k, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_NOTIFY, .value = t->value });
		} else if (!known_by_dialog(t->dialog)) {
			sip_layer_dialog_end(w.l, t->dialog);
		}
	} else if (t->is_invite && t->dialog != 0 && !k) {
		k = known_new(SESSION);
		if (k) {
			k->dialog = t->dialog; /* answered when the input says so */
		} else {
			answer_now(t->txn, 480, NULL);
		}
	}
}

static void work(void)
{
	while (todo_count > 0) {
		struct todo t = todos[0];
		memmove(todos, todos + 1, --todo_count * sizeof(todos[0]));
		if (t.kind == ENDED) {
			was_ended(&t);
		} else {
			came(&t);
		}
	}
}

/* ---- events ---- */

static void receive(const char *text, size_t len, uint8_t how)
{
	struct sip_flow_info flow = {
		.id = how & 1 ? 2 : 1, .transport = how & 1 ? SIP_TCP : SIP_UDP, .peer_port = 5060, .local_port = 5060, .is_known = !(how & 2)
	};
	struct sip_layer_event ev = { .kind = SIP_LAYER_RECV, .flow = &flow, .bytes = xfed_span_make(text, len) };
	snprintf(flow.peer_ip, sizeof(flow.peer_ip), "%s", flow.is_known ? PEER : STRANGER);
	if (!flow.is_known) {
		flow.id += 2;
	}
	(void)sip_layer_step(w.l, &ev, w.now);
	drain();
	work();
}

static void keep_and_receive(const char *text, size_t len, uint8_t how)
{
	if (len <= SENT_BYTES) {
		memcpy(w.last, text, len);
		w.last_len = len;
		w.last_how = how;
	}
	receive(text, len, how);
}

static const char *const hostile[] = { "", "Contact: <sip:x@" NAMED ">\r\n", "Contact: <sip:x@" PEER ";transport=tcp>\r\n",
	"Contact: <sip:x@" NAMED ":5070;transport=tcp>\r\nRecord-Route: <sip:" NAMED ";lr>\r\n",
	"Contact: <sip:x@" PEER ">\r\nRecord-Route: <sip:" NAMED ">, <sip:p." NAMED ".example;lr>\r\n", "Contact: *\r\n",
	"Contact: <sip:a@h>, <sip:b@h>\r\n", "Contact: <sips:x@" NAMED ";maddr=" NAMED ">\r\nExpires: 60\r\n" };

static void answer_ours(void)
{
	static const int statuses[] = { 100, 180, 183, 200, 202, 302, 401, 403, 404, 408, 423, 481, 486, 487, 491, 500, 503, 603, 200, 200 };
	static const char *const tags[] = { "t1", "t1", "t2", "t3" };
	struct sip_message *m;
	struct sip_error err;
	char head[SENT_BYTES], out[SENT_BYTES + 1024];
	size_t head_len, len;
	uint8_t which = byte(), status = byte(), how = byte();
	if (w.sent_count == 0) {
		return;
	}
	unsigned i = (w.sent_count - 1 - which % (w.sent_count < SENT ? w.sent_count : SENT)) % SENT;
	MUST(sip_message_parse(xfed_span_make(w.sent[i].bytes, w.sent[i].len), SIP_PARSE_STREAM, &m, &err) == XFED_OK);
	struct sip_source source = { XFED_SPAN(PEER), 5060 };
	struct sip_response r = { .status = statuses[status % XFED_ARRAY_LEN(statuses)], .extra = xfed_span_str(hostile[how / 4 % 8]) };
	if (sip_print_response_head(m, &source, xfed_span_str(tags[how % 4]), head, sizeof(head), &head_len) == XFED_OK &&
		sip_print_response(&r, xfed_span_make(head, head_len), out, sizeof(out), &len) == XFED_OK) {
		bool is_tcp = xfed_span_eq_nocase(m->via.transport, XFED_SPAN("TCP"));
		keep_and_receive(out, len, is_tcp);
	}
	sip_message_free(m);
}

static void send_theirs(bool is_inside)
{
	static const char *const methods[] = { "INVITE", "SUBSCRIBE", "NOTIFY", "BYE", "MESSAGE", "UPDATE", "INFO", "ACK", "CANCEL", "REFER" };
	static const char *const extras[] = { "", "Event: presence\r\n", "Event: presence\r\nExpires: 0\r\n", "Event: presence\r\nExpires: 30\r\n",
		"Event: presence\r\nSubscription-State: active;expires=600\r\n", "Event: presence\r\nSubscription-State: pending\r\n",
		"Event: presence\r\nSubscription-State: terminated;reason=deactivated\r\n",
		"Event: presence\r\nSubscription-State: terminated;reason=noresource\r\n", "Event: other\r\n", "Require: 100rel\r\n" };
	uint8_t what = byte(), how = byte(), which = byte(), more = byte();
	const char *method = methods[what % XFED_ARRAY_LEN(methods)];
	const struct sip_dialog *d = NULL;
	char extra[600], branch[16], call_id[16], out[SENT_BYTES], uri_tag[16] = "";
	size_t len;
	for (size_t i = 0; is_inside && !d && i < DIALOGS; i++) {
		const struct known *k = &w.known[(which + i) % DIALOGS];
		d = k->is_used && k->dialog != 0 ? sip_layer_dialog(w.l, k->dialog) : NULL;
	}
	snprintf(extra, sizeof(extra), "%s%s", hostile[how / 4 % 8], extras[more % XFED_ARRAY_LEN(extras)]);
	snprintf(branch, sizeof(branch), "h%u", more & 64 && w.branches > 0 ? w.branches : ++w.branches);
	snprintf(call_id, sizeof(call_id), "h%u", which % 16U);
	struct sip_request rq = { .method = xfed_span_str(method),
		.uri = XFED_SPAN("sip:us@example.net"),
		.from_uri = XFED_SPAN("sip:x@example.org"),
		.from_tag = which & 16 ? XFED_SPAN("t2") : XFED_SPAN("t1"),
		.to_uri = XFED_SPAN("sip:us@example.net"),
		.call_id = xfed_span_str(call_id),
		.cseq = 1 + which / 32U,
		.extra = xfed_span_str(extra) };
	if (!d && is_inside && w.calls > 0) { /* of a call of ours that has no dialog yet */
		snprintf(uri_tag, sizeof(uri_tag), "c%u", 1 + which % w.calls);
		rq.call_id = xfed_span_str(uri_tag);
		rq.to_tag = XFED_SPAN("ours");
	}
	if (d) {
		rq.call_id = sip_dialog_text(d, SIP_DIALOG_CALL_ID);
		rq.to_tag = how & 128 && which & 1 ? XFED_SPAN("wrong") : sip_dialog_text(d, SIP_DIALOG_LOCAL_TAG);
		rq.from_tag = sip_dialog_text(d, SIP_DIALOG_REMOTE_TAG).len > 0 && !(how & 128 && which & 2)
				      ? sip_dialog_text(d, SIP_DIALOG_REMOTE_TAG)
				      : XFED_SPAN("t1");
		rq.cseq = d->remote_cseq + (more & 128 ? 0 : 1);
		rq.cseq = strcmp(method, "ACK") == 0 || strcmp(method, "CANCEL") == 0 ? d->remote_cseq : rq.cseq;
		rq.cseq = rq.cseq > 0 ? rq.cseq : 1;
	}
	struct sip_via_out via = { how & 1 ? "TCP" : "UDP", XFED_SPAN(NAMED), 5099, xfed_span_str(branch), how & 64 };
	if (sip_print_request(&rq, &via, out, sizeof(out), &len) == XFED_OK) {
		keep_and_receive(out, len, how);
	}
}

static void users_request(void)
{
	uint8_t what = byte(), how = byte();
	struct known *k;
	switch (what % 5) {
	case 0:
		k = known_new(SESSION);
		if (k && !ask(k, "INVITE", 0, "", 0, how)) {
			forget(k);
		}
		break;
	case 1:
		k = known_new(SUBSCRIBER);
		if (k) {
			sip_subscriber_init(&k->subscriber, &env);
			feed_subscriber(k, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_SUBSCRIBE, .expires_s = 600 });
		}
		break;
	case 2:
		(void)ask(NULL, "MESSAGE", 0, "", 0, how);
		break;
	default:
		k = &w.known[how % DIALOGS];
		if (k->is_used && k->dialog != 0 && k->use == SESSION) {
			static const char *const inside[] = { "INVITE", "BYE", "UPDATE", "INFO" };
			(void)ask(k, inside[what / 8 % 4], k->dialog, "", 0, how);
		}
		break;
	}
	work();
}

static void users_answer(void)
{
	static const int statuses[] = { 180, 183, 200, 202, 403, 404, 480, 486, 500, 503, 603, 200 };
	uint8_t which = byte(), status = byte();
	if (w.txn_count == 0) {
		return;
	}
	unsigned n = w.txn_count < TXNS ? w.txn_count : TXNS, i = which % n;
	struct sip_response r = { .status = statuses[status % XFED_ARRAY_LEN(statuses)], .contact = XFED_SPAN("<sip:us@192.0.2.1>") };
	uint64_t dialog = w.txns[i].dialog;
	int rc = sip_layer_answer(w.l, w.txns[i].txn, &r, 0, w.now);
	if (rc != XFED_OK) {
		return;
	}
	/* A branch may come anew on a stream, and when the dialog of a 2xx has ended; else not before T4. */
	if (r.status >= 200 && !w.txns[i].is_answered && w.txns[i].is_udp && (!w.txns[i].is_invite || r.status >= 300)) {
		unsigned f = w.final_count++ % FINALS;
		memcpy(w.finals[f].key, w.txns[i].key, BRANCH_BYTES);
		w.finals[f].status = r.status;
		w.finals[f].until_ms = w.now + XFED_SIP_T4_MS;
	}
	w.txns[i].is_answered |= r.status >= 200;
	drain();
	MUST(r.status < 200 || sip_layer_answer(w.l, w.txns[i].txn, &r, 0, w.now) == XFED_ERR_NOT_FOUND);
	if (r.status >= 300 && w.txns[i].is_invite) {
		struct known *k = known_by_dialog(dialog);
		if (k && !sip_layer_dialog(w.l, dialog)) {
			k->dialog = 0;
			forget(k);
		}
	}
	work();
}

static void users_word(void)
{
	uint8_t which = byte(), what = byte();
	struct known *k = &w.known[which % DIALOGS];
	if (what % 3 == 0 && w.request_count > 0) {
		if (sip_layer_cancel(w.l, w.requests[which % w.request_count].txn, w.now) == XFED_OK) {
			drain();
		}
	} else if (k->is_used && k->use == SUBSCRIBER) {
		feed_subscriber(k, &(struct sip_subscriber_event){
					   .kind = what & 16 ? SIP_SUBSCRIBER_SUBSCRIBE : SIP_SUBSCRIBER_UNSUBSCRIBE, .expires_s = 600 });
	} else if (k->is_used && k->use == NOTIFIER) {
		static const enum sip_notifier_event_kind kinds[] = { SIP_NOTIFIER_ACTIVATE, SIP_NOTIFIER_STATE, SIP_NOTIFIER_END };
		feed_notifier(k, &(struct sip_notifier_event){
					 .kind = kinds[what % 3], .reason = SIP_END_NORESOURCE, .retry_after_s = -1, .is_urgent = what & 16 });
	} else if (k->is_used && k->dialog != 0) {
		forget(k);
	}
	work();
}

static void of_io(void)
{
	uint8_t which = byte(), how = byte();
	struct sip_layer_event ev = { .kind = how % 3 == 0   ? SIP_LAYER_SENT
					      : how % 3 == 1 ? SIP_LAYER_SEND_FAILED
							     : SIP_LAYER_FLOW_CLOSED,
		.txn = w.request_count > 0 ? w.requests[which % w.request_count].txn : which,
		.flow_id = 2,
		.was_written = how & 16 };
	(void)sip_layer_step(w.l, &ev, w.now);
	drain();
	work();
}

static void tick_machines(void)
{
	for (size_t i = 0; i < DIALOGS; i++) {
		struct known *k = &w.known[i];
		if (k->is_used && k->use == SUBSCRIBER && sip_subscriber_deadline(&k->subscriber) <= w.now) {
			feed_subscriber(k, &(struct sip_subscriber_event){ .kind = SIP_SUBSCRIBER_TICK });
		} else if (k->is_used && k->use == NOTIFIER && sip_notifier_deadline(&k->notifier) <= w.now) {
			feed_notifier(k, &(struct sip_notifier_event){ .kind = SIP_NOTIFIER_TICK });
		}
	}
}

static void pass(uint64_t ms)
{
	uint64_t until = w.now + ms;
	for (int i = 0; i < 2000 && sip_layer_deadline(w.l) <= until; i++) {
		w.now = sip_layer_deadline(w.l) > w.now ? sip_layer_deadline(w.l) : w.now;
		(void)sip_layer_step(w.l, &(struct sip_layer_event){ .kind = SIP_LAYER_TICK }, w.now);
		drain();
		work();
	}
	w.now = until;
	tick_machines();
	work();
}

static void run_one(void)
{
	static const uint64_t steps[] = { 1, 200, 500, 4000, 5000, 32000, 33000, 170000, 181000, 600000 };
	switch (byte() % 12) {
	case 0:
	case 1:
		users_request();
		break;
	case 2:
	case 3:
		answer_ours();
		break;
	case 4:
		send_theirs(false);
		break;
	case 5:
	case 6:
		send_theirs(true);
		break;
	case 7:
		users_answer();
		break;
	case 8:
		users_word();
		break;
	case 9:
		of_io();
		break;
	case 10:
		pass(steps[byte() % XFED_ARRAY_LEN(steps)]);
		break;
	case 11:
		if (w.last_len > 0) {
			receive(w.last, w.last_len, w.last_how ^ (byte() & 2));
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sip_layer_config config = { .transactions_max = TABLE_MAX };
	memset(&w, 0, sizeof(w));
	todo_count = 0;
	w.at = data;
	w.end = data + size;
	w.now = 1000;
	w.user = (struct sip_user){ .methods = SIP_METHOD_BIT(INVITE) | SIP_METHOD_BIT(SUBSCRIBE) | SIP_METHOD_BIT(MESSAGE),
		.inside = SIP_METHOD_BIT(BYE) | SIP_METHOD_BIT(NOTIFY) | SIP_METHOD_BIT(UPDATE) | SIP_METHOD_BIT(INFO),
		.events = "presence",
		.request = on_request,
		.response = on_response,
		.timeout = on_lost,
		.broken = on_lost,
		.cancelled = on_cancelled };
	for (int i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		config.sent_by[i].host = XFED_SPAN("192.0.2.1");
		config.sent_by[i].port = i == SIP_TLS ? 5061 : 5060;
	}
	MUST(sip_layer_new(&config, &env, &w.l) == XFED_OK && sip_layer_use(w.l, &w.user) == XFED_OK);
	while (w.at < w.end) {
		run_one();
	}
	for (size_t i = 0; i < DIALOGS; i++) {
		if (w.known[i].is_used) {
			forget(&w.known[i]);
		}
	}
	for (int i = 0; i < 4; i++) {
		pass(200000);
		for (size_t k = 0; k < DIALOGS; k++) {
			if (w.known[k].is_used) {
				forget(&w.known[k]);
			}
		}
	}
	struct sip_layer_stats s = sip_layer_stats(w.l);
	MUST(s.clients == 0 && s.servers == 0 && s.dialogs == 0 && s.server_bytes == 0);
	for (unsigned i = 0; i < w.request_count; i++) {
		MUST(w.requests[i].is_over);
	}
	sip_layer_free(w.l);
	return 0;
}
