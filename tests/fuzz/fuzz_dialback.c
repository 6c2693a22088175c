/*
 * The roles of dialback under arbitrary elements, verdicts and times. Security sentence: no pair is
 * PROVED without a verdict `valid` fed for exactly that pair, key and stream id, or the certificate
 * flag of its request. And along the way: a verdict `valid` comes out of the stream to the
 * authority only where its answer names a question that is open there, a pair is READY only where
 * an answer `valid` names the request, and once, `valid` is answered only for a proved pair or the
 * right key, nothing follows CLOSE, and nothing grows beyond its limit.
 *
 * Input: lines; the first character says what the rest is.
 *   r FLAG xml   an element to the receiving role; flags c certificate, f foreign target, n no TLS,
 *                F and N the same with a certificate, else none
 *   v T V M      verdict V (digit) for ask T (letter), made wrong by M: s sender, t target, i stream id, k token
 *   k T C        ask T (letter) over connection C: o the one the key came in on
 *   o, a xml, e  the stream to the authority: opens, has an element for us, ends
 *   j xml        the stream we opened for (a, target.example) has an element for us
 *   u xml        an element to the authoritative role
 *   t N          N times five seconds pass everywhere
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xfed/dialback.h"
#include "xfed/limits.h"

#define HEADER                                                                                                                                       \
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "                                                      \
	"xmlns:db='jabber:server:dialback'>"
#define STREAM_ID "id-1"
#define HASH	  "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc"
#define ASKS_MAX  26
#define LINES_MAX 200

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* ---- the model: what was asked, and what became of it ---- */

struct name {
	char text[XFED_JID_PART_BYTES + 1];
};

enum fate { OPEN, SETTLED, PROVED };

struct ask {
	struct name sender, target, sender_raw, target_raw;
	char key[XFED_DIALBACK_KEY_BYTES + 1];
	uint64_t token;
	enum fate fate;
	bool is_over_wire, is_answered; /* on the stream to the authority */
};

struct world {
	struct xfed_dbrecv *recv;
	struct xfed_dbverify *verify;
	struct xfed_dbinit *init;
	uint64_t now_ms;
	struct ask asks[ASKS_MAX];
	size_t ask_count;
	bool is_closed, is_open, has_ended;
	bool is_over; /* the request on the stream we opened has had its answer, or its time */
	size_t proved;
	struct xfed_xml_reader *reader;
	struct xfed_arena arena;
	struct xfed_dialback_elem elem; /* of the line */
	const struct xfed_dialback_elem *verify_elem;
};

static void keep(struct name *to, struct xfed_span s)
{
	check(s.len <= XFED_JID_PART_BYTES);
	snprintf(to->text, sizeof(to->text), "%.*s", (int)s.len, s.data ? s.data : "");
}

static bool is(struct xfed_span s, const struct name *n)
{
	return xfed_span_is(s, n->text);
}

/* The last ask of a pair: an earlier one is over. */
static struct ask *last_ask(struct world *w, struct xfed_span sender, struct xfed_span target)
{
	for (size_t i = w->ask_count; i-- > 0;) {
		if (is(sender, &w->asks[i].sender) && is(target, &w->asks[i].target)) {
			return &w->asks[i];
		}
	}
	return NULL;
}

/* ---- elements ---- */

static bool read_xml(struct xfed_xml_reader *r, struct xfed_span xml)
{
	size_t consumed = 0;
	for (size_t at = 0; at < xml.len; at += consumed) {
		enum xfed_xml_result x = xfed_xml_reader_feed(r, xfed_span_make(xml.data + at, xml.len - at), &consumed);
		if (x != XFED_XML_MORE) {
			return x == XFED_XML_ELEMENT || x == XFED_XML_HEADER;
		}
	}
	return false;
}

static bool read_elem(struct world *w, struct xfed_span xml, struct xfed_dialback_elem *out)
{
	xfed_arena_reset(&w->arena);
	xfed_xml_reader_restart(w->reader);
	return read_xml(w->reader, XFED_SPAN(HEADER)) && read_xml(w->reader, xml) &&
	       xfed_dialback_read(&w->arena, xfed_xml_reader_elem(w->reader), out) == XFED_OK;
}

/* What we send is read by a reader of its own, and is one dialback element. */
static void reread(struct xfed_span bytes, struct xfed_arena *a, struct xfed_xml_reader **r, struct xfed_dialback_elem *out)
{
	static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	xfed_arena_init(a, 1 << 22);
	check(xfed_xml_reader_new(&limits, r) == XFED_OK);
	check(read_xml(*r, XFED_SPAN(HEADER)) && read_xml(*r, bytes));
	check(xfed_dialback_read(a, xfed_xml_reader_elem(*r), out) == XFED_OK);
}

/* ---- receiving role ---- */

/* What may prove a pair in this step. */
struct grounds {
	const struct xfed_dialback_elem *request; /* NULL: none */
	bool by_certificate;
	const struct ask *valid; /* the ask a verdict `valid` names exactly; NULL: none */
};

static void check_answer(struct world *w, struct xfed_span bytes)
{
	struct xfed_xml_reader *r;
	struct xfed_arena a;
	struct xfed_dialback_elem e;
	reread(bytes, &a, &r, &e);
	check(e.kind == XFED_DIALBACK_RESULT && e.type != XFED_DIALBACK_KEY && e.type != XFED_DIALBACK_UNKNOWN);
	if (e.type == XFED_DIALBACK_VALID) {
		check(e.from.data && e.to.data && xfed_dbrecv_is_proved(w->recv, e.to, e.from));
	}
	xfed_xml_reader_free(r);
	xfed_arena_deinit(&a);
}

static void take_ask(struct world *w, const struct xfed_dialback_action *a, const struct grounds *g)
{
	check(g->request && !g->by_certificate && g->request->type == XFED_DIALBACK_KEY);
	check(xfed_span_eq(a->pair.sender, g->request->from) && xfed_span_eq(a->pair.target, g->request->to));
	check(xfed_span_eq(a->key, g->request->key) && xfed_span_is(a->stream_id, STREAM_ID));
	struct ask *k = &w->asks[w->ask_count];
	check(a->token > 0 && (w->ask_count == 0 || a->token > k[-1].token));
	*k = (struct ask){ .token = a->token, .fate = OPEN };
	keep(&k->sender, a->pair.sender);
	keep(&k->target, a->pair.target);
	keep(&k->sender_raw, a->pair.sender_raw);
	keep(&k->target_raw, a->pair.target_raw);
	check(a->key.len <= XFED_DIALBACK_KEY_BYTES);
	memcpy(k->key, a->key.data, a->key.len);
	w->ask_count++;
}

static void take_proved(struct world *w, const struct xfed_dialback_action *a, const struct grounds *g)
{
	struct ask *k = last_ask(w, a->pair.sender, a->pair.target);
	if (a->by_certificate) {
		check(g->request && g->by_certificate && xfed_span_eq(a->pair.sender, g->request->from) &&
			xfed_span_eq(a->pair.target, g->request->to));
	} else {
		check(g->valid && k == g->valid && k->fate == OPEN);
	}
	if (k) {
		k->fate = PROVED;
	}
	w->proved++;
}

static size_t waiting(const struct world *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->ask_count; i++) {
		n += w->asks[i].fate == OPEN;
	}
	return n;
}

static void drain_recv(struct world *w, const struct grounds *g)
{
	struct xfed_dialback_action a;
	while (xfed_dbrecv_next(w->recv, &a)) {
		check(!w->is_closed);
		switch (a.type) {
		case XFED_DIALBACK_DO_SEND:
			check_answer(w, a.bytes);
			break;
		case XFED_DIALBACK_DO_ASK:
			take_ask(w, &a, g);
			break;
		case XFED_DIALBACK_DO_PROVED:
			take_proved(w, &a, g);
			break;
		case XFED_DIALBACK_DO_FAILED: {
			struct ask *k = last_ask(w, a.pair.sender, a.pair.target);
			if (k && k->fate == OPEN) {
				k->fate = SETTLED;
			}
			break;
		}
		case XFED_DIALBACK_DO_CLOSE:
			w->is_closed = true;
			break;
		case XFED_DIALBACK_DO_READY:
		case XFED_DIALBACK_DO_VERDICT:
			abort();
		}
	}
	check(waiting(w) <= XFED_DIALBACK_WAITING_MAX && waiting(w) + w->proved <= XFED_DIALBACK_PAIRS_MAX);
}

static void request(struct world *w, struct xfed_span rest)
{
	if (rest.len < 1 || w->ask_count == ASKS_MAX || !read_elem(w, xfed_span_make(rest.data + 1, rest.len - 1), &w->elem)) {
		return;
	}
	char flag = rest.data[0];
	struct xfed_dbrecv_event ev = { .type = XFED_DBRECV_REQUEST, .elem = &w->elem };
	bool is_foreign = flag == 'f' || flag == 'F', is_clear = flag == 'n' || flag == 'N';
	ev.decision.is_local = !is_foreign;
	ev.decision.refuse = is_clear ? XFED_REASON_TLS_REQUIRED_MISSING : XFED_REASON_NONE;
	ev.decision.is_proved_by_certificate = flag == 'c' || flag == 'F' || flag == 'N';
	int rc = xfed_dbrecv_step(w->recv, &ev, w->now_ms);
	check(rc == (w->elem.kind == XFED_DIALBACK_RESULT ? XFED_OK : XFED_ERR_INVALID));
	bool is_refused = is_foreign || is_clear || w->elem.type != XFED_DIALBACK_KEY;
	struct grounds g = { is_refused ? NULL : &w->elem, flag == 'c', NULL };
	drain_recv(w, &g);
}

static void verdict(struct world *w, const struct ask *k, enum xfed_dialback_verdict v, char wrong)
{
	const char *sender = wrong == 's' ? "wrong.example" : k->sender.text;
	const char *target = wrong == 't' ? "wrong.example" : k->target.text;
	struct xfed_dbrecv_event ev = {
		.type = XFED_DBRECV_VERDICT,
		.token = wrong == 'k' ? k->token + 1 : k->token,
		.sender = xfed_span_str(sender),
		.target = xfed_span_str(target),
		.stream_id = wrong == 'i' ? XFED_SPAN("id-2") : XFED_SPAN(STREAM_ID),
		.verdict = v,
	};
	bool is_exact = !wrong || !strchr("ksti", wrong);
	struct grounds g = { .valid = is_exact && v == XFED_DIALBACK_VERDICT_VALID ? k : NULL };
	/* The wrong token may be the right one of the same pair's next request: that is an exact
	 * verdict then. */
	const struct ask *next = k + 1 < w->asks + w->ask_count ? k + 1 : NULL;
	if (wrong == 'k' && next && !strcmp(next->sender.text, k->sender.text) && !strcmp(next->target.text, k->target.text) &&
		v == XFED_DIALBACK_VERDICT_VALID) {
		g.valid = next;
	}
	check(xfed_dbrecv_step(w->recv, &ev, w->now_ms) == XFED_OK);
	drain_recv(w, &g);
}

static const struct ask *ask_of_letter(const struct world *w, char c)
{
	return c >= 'a' && (size_t)(c - 'a') < w->ask_count ? &w->asks[c - 'a'] : NULL;
}

static void verdict_line(struct world *w, struct xfed_span rest)
{
	const struct ask *k = rest.len >= 2 ? ask_of_letter(w, rest.data[0]) : NULL;
	if (k && rest.data[1] >= '0' && rest.data[1] <= '0' + XFED_DIALBACK_VERDICT_TIMEOUT) {
		verdict(w, k, (enum xfed_dialback_verdict)(rest.data[1] - '0'), rest.len >= 3 ? rest.data[2] : '\0');
	}
}

/* ---- the stream to the authority ---- */

static struct ask *ask_of_token(struct world *w, uint64_t token)
{
	for (size_t i = 0; i < w->ask_count; i++) {
		if (w->asks[i].token == token) {
			return &w->asks[i];
		}
	}
	abort();
}

static void take_verdict(struct world *w, const struct xfed_dialback_action *a)
{
	struct ask *k = ask_of_token(w, a->token);
	check(k->is_over_wire && !k->is_answered && a->origin == 1);
	check(is(a->pair.sender, &k->sender) && is(a->pair.target, &k->target) && xfed_span_is(a->stream_id, STREAM_ID));
	k->is_answered = true;
	const struct xfed_dialback_elem *e = w->verify_elem;
	if (a->verdict == XFED_DIALBACK_VERDICT_VALID || a->verdict == XFED_DIALBACK_VERDICT_INVALID) {
		check(e && w->is_open && !w->has_ended && e->kind == XFED_DIALBACK_VERIFY);
		check(e->type == (a->verdict == XFED_DIALBACK_VERDICT_VALID ? XFED_DIALBACK_VALID : XFED_DIALBACK_INVALID));
		check(is(e->from, &k->sender) && is(e->to, &k->target) && xfed_span_is(e->id, STREAM_ID));
	}
	verdict(w, k, a->verdict, '\0');
}

static int step_verify(struct world *w, const struct xfed_dbverify_event *ev, int expected)
{
	struct xfed_dialback_action a;
	int rc = xfed_dbverify_step(w->verify, ev, w->now_ms);
	check(rc == expected || expected == 1);
	w->verify_elem = ev->type == XFED_DBVERIFY_ANSWER ? ev->elem : NULL;
	while (xfed_dbverify_next(w->verify, &a)) {
		check(a.type == XFED_DIALBACK_DO_SEND || a.type == XFED_DIALBACK_DO_VERDICT);
		if (a.type == XFED_DIALBACK_DO_VERDICT) {
			take_verdict(w, &a);
		}
	}
	return rc;
}

static void question(struct world *w, struct xfed_span rest)
{
	struct ask *k = rest.len > 0 ? (struct ask *)ask_of_letter(w, rest.data[0]) : NULL;
	if (!k || k->is_over_wire) {
		return;
	}
	bool is_own = rest.len > 1 && rest.data[1] == 'o';
	struct xfed_dbverify_event ev = {
		.type = XFED_DBVERIFY_ASK,
		.pair = { xfed_span_str(k->sender.text), xfed_span_str(k->target.text), xfed_span_str(k->sender_raw.text),
			xfed_span_str(k->target_raw.text) },
		.key = xfed_span_str(k->key),
		.stream_id = XFED_SPAN(STREAM_ID),
		.token = k->token,
		.origin = is_own ? 2 : 1,
	};
	/* One that is refused has no verdict. */
	k->is_over_wire = step_verify(w, &ev, is_own || w->has_ended ? XFED_ERR_STATE : 1) == XFED_OK;
}

static void answer(struct world *w, struct xfed_span xml)
{
	if (read_elem(w, xml, &w->elem)) {
		struct xfed_dbverify_event ev = { .type = XFED_DBVERIFY_ANSWER, .elem = &w->elem };
		step_verify(w, &ev, w->elem.kind == XFED_DIALBACK_VERIFY ? XFED_OK : XFED_ERR_INVALID);
	}
}

static void stream_event(struct world *w, enum xfed_dbverify_event_type type)
{
	struct xfed_dbverify_event ev = { .type = type };
	w->has_ended |= type == XFED_DBVERIFY_END;
	step_verify(w, &ev, XFED_OK);
	w->is_open |= type == XFED_DBVERIFY_OPEN && !w->has_ended;
}

/* ---- initiating role ---- */

static void step_init(struct world *w, const struct xfed_dialback_elem *answer)
{
	struct xfed_dialback_action a;
	check(xfed_dbinit_step(w->init, answer, w->now_ms) == XFED_OK);
	while (xfed_dbinit_next(w->init, &a)) {
		check(!w->is_over && (a.type == XFED_DIALBACK_DO_READY || a.type == XFED_DIALBACK_DO_FAILED));
		check(xfed_span_is(a.pair.sender, "a") && xfed_span_is(a.pair.target, "target.example"));
		if (a.type == XFED_DIALBACK_DO_READY) {
			check(answer && answer->type == XFED_DIALBACK_VALID);
			check(xfed_span_eq(a.pair.sender, answer->to) && xfed_span_eq(a.pair.target, answer->from));
		}
		w->is_over = true;
	}
}

static void init_answer(struct world *w, struct xfed_span xml)
{
	if (read_elem(w, xml, &w->elem) && w->elem.kind == XFED_DIALBACK_RESULT) {
		step_init(w, &w->elem);
	}
}

/* ---- authoritative role ---- */

static bool is_local(struct xfed_span domain)
{
	return xfed_span_is(domain, "capulet.example");
}

static void authority(struct world *w, struct xfed_span xml)
{
	struct xfed_dialback_elem out;
	if (!read_elem(w, xml, &w->elem)) {
		return;
	}
	const struct xfed_dialback_elem *e = &w->elem;
	struct xfed_dialback_authority au = { .is_local = is_local(e->to), .current = XFED_SPAN(HASH) };
	bool is_request = e->kind == XFED_DIALBACK_VERIFY && e->type == XFED_DIALBACK_KEY;
	enum xfed_dialback_reaction r = xfed_dialback_authoritative(e, &au, &out);
	check((r == XFED_DIALBACK_DROP) == !is_request);
	if (r == XFED_DIALBACK_ANSWER && out.type == XFED_DIALBACK_VALID) {
		char key[XFED_DIALBACK_HEX + 1], raw[XFED_DIALBACK_HEX + 1];
		check(is_local(e->to));
		check(xfed_dialback_key_hashed(XFED_SPAN(HASH), e->from, e->to, e->id, key) == XFED_OK);
		check(xfed_dialback_key_hashed(XFED_SPAN(HASH), e->from_raw, e->to_raw, e->id, raw) == XFED_OK);
		check(xfed_span_is(e->key, key) || xfed_span_is(e->key, raw));
	}
}

/* ---- lines ---- */

static void time_passes(struct world *w, struct xfed_span rest)
{
	struct xfed_dbrecv_event recv = { .type = XFED_DBRECV_TICK };
	struct xfed_dbverify_event verify = { .type = XFED_DBVERIFY_TICK };
	struct grounds none = { NULL, false, NULL };
	w->now_ms += rest.len > 0 && rest.data[0] >= '0' && rest.data[0] <= '9' ? 5000u * (unsigned)(rest.data[0] - '0') : 1;
	step_verify(w, &verify, XFED_OK);
	step_init(w, NULL);
	for (int i = 0; xfed_dbrecv_deadline(w->recv) <= w->now_ms; i++) {
		check(i < XFED_DIALBACK_WAITING_MAX);
		check(xfed_dbrecv_step(w->recv, &recv, w->now_ms) == XFED_OK);
		drain_recv(w, &none);
	}
	check(xfed_dbverify_deadline(w->verify) > w->now_ms && xfed_dbinit_deadline(w->init) > w->now_ms);
}

static void line(struct world *w, char what, struct xfed_span rest)
{
	switch (what) {
	case 'r':
		request(w, rest);
		break;
	case 'v':
		verdict_line(w, rest);
		break;
	case 'k':
		question(w, rest);
		break;
	case 'o':
		stream_event(w, XFED_DBVERIFY_OPEN);
		break;
	case 'a':
		answer(w, rest);
		break;
	case 'e':
		stream_event(w, XFED_DBVERIFY_END);
		break;
	case 'j':
		init_answer(w, rest);
		break;
	case 'u':
		authority(w, rest);
		break;
	case 't':
		time_passes(w, rest);
		break;
	default:
		break;
	}
}

static void lines(struct world *w, struct xfed_span in)
{
	const char *p = in.data, *end = in.data + in.len;
	for (int n = 0; p < end && n < LINES_MAX; n++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		const char *stop = eol ? eol : end;
		if (stop > p) {
			line(w, p[0], xfed_span_make(p + 1, (size_t)(stop - p - 1)));
		}
		p = stop + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	static struct world w;
	check(ready || xfed_xml_global_init() == XFED_OK);
	ready = true;
	static const struct xfed_xml_limits limits = { XFED_UNAUTH_STANZA_BYTES, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	struct xfed_dbrecv_config recv = { .stream_id = XFED_SPAN(STREAM_ID), .is_authenticated = size > 0 && data[0] == '+' };
	struct xfed_dbverify_config verify = { .connection = 2 };
	struct xfed_dbinit_config init = {
		.stream_id = XFED_SPAN(STREAM_ID), .sender = XFED_SPAN("a"), .target = XFED_SPAN("target.example"), .hash_hex = XFED_SPAN(HASH)
	};
	memset(&w, 0, sizeof(w));
	xfed_arena_init(&w.arena, 1 << 22);
	check(xfed_dbrecv_new(&recv, &w.recv) == XFED_OK && xfed_dbverify_new(&verify, &w.verify) == XFED_OK &&
		xfed_dbinit_new(&init, 0, &w.init) == XFED_OK && xfed_xml_reader_new(&limits, &w.reader) == XFED_OK);
	struct xfed_dialback_action first;
	check(xfed_dbinit_next(w.init, &first) && first.type == XFED_DIALBACK_DO_SEND && !xfed_dbinit_next(w.init, &first));
	lines(&w, xfed_span_make(data, size));
	xfed_dbrecv_free(w.recv);
	xfed_dbverify_free(w.verify);
	xfed_dbinit_free(w.init);
	xfed_xml_reader_free(w.reader);
	xfed_arena_deinit(&w.arena);
	return 0;
}
