/*
 * What one side says of failures and outcomes: filled in from facts as long as they like, what is left of a message that may not be
 * sent, the folding of what costs a stranger nothing, and the error an outcome becomes; the first byte chooses which.
 *
 * Properties: what is filled in passes proto/check.h and fits into a frame, and nothing is in it that was not given; what is left of a
 * message passes it too, keeps its numbers, fates and counts, and is there for every message that could have gone out whole; of
 * failures that are folded every one is told or counted once, and no more are told at once than a window has; an outcome of a peer
 * becomes an error with a condition and a type of RFC 6120, which reads again as what it is, whatever its texts hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fold.h"
#include "proto/frame.h"
#include "proto/outcome.h"
#include "xfed/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())

struct input {
	const uint8_t *at, *end;
	char texts[8192]; /* what was handed out */
	size_t used;
};

static uint8_t byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Bytes of the input, any but NUL, some of them again and again; or nothing. */
static const char *text(struct input *in)
{
	uint8_t len = byte(in), times = byte(in);
	char *out = in->texts + in->used;
	size_t n = 0, left = (size_t)(in->end - in->at);
	size_t piece = len % 32 < left ? len % 32U : left;
	if (len == 255) {
		return NULL;
	}
	for (unsigned i = 0; i <= (times > 200 ? times : times % 4U); i++) {
		for (size_t k = 0; k < piece && in->used + n + 2 < sizeof(in->texts); k++) {
			out[n++] = in->at[k] ? (char)in->at[k] : '?';
		}
	}
	if (in->used < sizeof(in->texts)) {
		out[n] = '\0';
		in->used += n + 1 < sizeof(in->texts) - in->used ? n + 1 : sizeof(in->texts) - in->used - 1;
	}
	in->at += piece;
	return out;
}

/* ---- filling in ---- */

static void must_go(const Xfed__Frame *f)
{
	size_t bytes;
	MUST(!proto_check(f) && proto_frame_measure(f, &bytes) == XFED_OK && bytes == proto_frame_size(f));
}

/* Nothing but the text, cut, and '?' for bytes it may not hold, one or several. */
static void must_be_of(const char *out, const char *in)
{
	for (; *out; out++) {
		in = *out == '?' ? in : in ? strchr(in, *out) : NULL;
		MUST(in);
		in += *out != '?';
	}
}

static void fill_failure(struct input *in)
{
	static struct proto_fill_failure out;
	struct proto_fill_step steps[40];
	const char *names[120];
	struct xfed_cert_facts cert = { .subject = text(in), .issuer = text(in), .serial_hex = text(in), .sha256_hex = text(in), .names = names };
	struct proto_failure f = { .at_s = byte(in),
		.direction = (Xfed__Direction)(byte(in) % 3),
		.local = text(in),
		.remote = text(in),
		.text = text(in),
		.address = text(in),
		.reason = (enum xfed_reason)(byte(in) % XFED_REASON_COUNT),
		.side = (enum xfed_side)(byte(in) % (XFED_SIDE_OPERATOR + 1)),
		.steps = steps };
	const char *name = text(in), *step = text(in);
	f.step_count = byte(in) % (XFED_ARRAY_LEN(steps) + 1);
	cert.name_count = byte(in) % (XFED_ARRAY_LEN(names) + 1);
	f.cert = byte(in) & 1 ? &cert : NULL;
	for (size_t i = 0; i < XFED_ARRAY_LEN(steps); i++) {
		steps[i] = (struct proto_fill_step){ (uint32_t)i, step, i & 1, name };
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		names[i] = name ? name : "dns:a.example";
	}
	proto_fill_failure(&out, &f);
	must_go(&out.frame);
	must_be_of(out.m.text, f.text);
	MUST(out.m.n_steps == (f.step_count < PROTO_FILL_STEPS ? f.step_count : PROTO_FILL_STEPS) && out.m.n_chain == (f.cert != NULL));
	for (size_t i = 0; i < out.m.n_steps; i++) {
		MUST(out.m.steps[i]->at_ms == i);
	}
	MUST(!f.cert || out.cert.m.n_names <= cert.name_count);
}

/* ---- what is left of a message ---- */

static void same_settled(const Xfed__Settled *a, const Xfed__Settled *b)
{
	MUST(a->n_outcomes == b->n_outcomes);
	for (size_t i = 0; i < a->n_outcomes; i++) {
		MUST(a->outcomes[i]->seq == b->outcomes[i]->seq && a->outcomes[i]->fate == b->outcomes[i]->fate);
	}
}

static void same_numbers(const Xfed__Frame *a, const Xfed__Frame *b)
{
	switch (a->body_case) {
	case XFED__FRAME__BODY_FAILURE_EVENT:
		MUST(a->failure_event->repeated_count == b->failure_event->repeated_count && a->failure_event->at_s == b->failure_event->at_s);
		break;
	case XFED__FRAME__BODY_STREAM_EVENT:
		MUST(a->stream_event->stream == b->stream_event->stream && a->stream_event->change == b->stream_event->change &&
			a->stream_event->stanzas_in == b->stream_event->stanzas_in && a->stream_event->stanzas_out == b->stream_event->stanzas_out);
		break;
	case XFED__FRAME__BODY_REPLY:
		MUST(a->reply->id == b->reply->id && b->reply->status != XFED__STATUS__STATUS_OK);
		break;
	case XFED__FRAME__BODY_POLICY_RESULT:
		MUST(a->policy_result->ok == b->policy_result->ok && a->policy_result->revision == b->policy_result->revision);
		break;
	case XFED__FRAME__BODY_SETTLED:
		same_settled(a->settled, b->settled);
		break;
	default:
		abort();
	}
}

static bool can_be_bare(Xfed__Frame__BodyCase body)
{
	return body == XFED__FRAME__BODY_FAILURE_EVENT || body == XFED__FRAME__BODY_STREAM_EVENT || body == XFED__FRAME__BODY_REPLY ||
	       body == XFED__FRAME__BODY_POLICY_RESULT || body == XFED__FRAME__BODY_SETTLED;
}

static void bare(struct input *in)
{
	static struct proto_bare out;
	Xfed__Frame *f = xfed__frame__unpack(NULL, (size_t)(in->end - in->at), in->at);
	if (!f) {
		return;
	}
	const Xfed__Frame *left = proto_bare(&out, f);
	if (left) {
		must_go(left);
		MUST(left->body_case == f->body_case);
		same_numbers(f, left);
	}
	MUST(left || proto_check(f) || !can_be_bare(f->body_case));
	xfed__frame__free_unpacked(f, NULL);
}

/* ---- folding ---- */

#define TAKEN_MAX 3000 /* of one input */

struct folding {
	struct proto_fold *f;
	uint64_t now, taken, told;
	uint64_t window_ms, in_window; /* told at once since */
};

static void take_kept(struct folding *w)
{
	static struct proto_fill_failure out;
	struct proto_failure m;
	uint32_t repeated;
	while (proto_fold_next(w->f, w->now, &m, &repeated)) {
		MUST(m.step_count == 0 && !m.cert);
		proto_fill_failure(&out, &m);
		out.m.repeated_count = repeated;
		must_go(&out.frame);
		w->told += 1 + (uint64_t)repeated;
		MUST(w->told <= w->taken);
	}
}

static void take(struct folding *w, struct xfed_span network, struct xfed_span name, const struct proto_failure *m)
{
	if (w->taken == TAKEN_MAX) {
		return;
	}
	w->taken++;
	if (proto_fold_take(w->f, network, name, m, w->now)) {
		w->told++;
		w->in_window++;
	}
	MUST(w->told <= w->taken);
	/* Two windows may meet in one span of time; the first under each of the two listed names is told whatever there was. */
	MUST(w->in_window <= 2 * (XFED_FOLD_ALL + 2));
}

static void fold_one(struct folding *w, struct input *in, const struct proto_failure *m)
{
	static const char *const networks[] = { "192.0.2.0/24", "2001:db8::/64", "", "198.51.100.0/24" };
	static const char *const names[] = { "", "a.example", "b.example" };
	char made[16] = "10.0.0.0/24 ..";
	uint8_t what = byte(in), how = byte(in);
	switch (what % 4) {
	case 0:
	case 1:
		for (unsigned i = 0; i < 1U + how / 4U; i++) {
			take(w, xfed_span_str(networks[how % 4]), xfed_span_str(names[what / 4 % 3]), m);
		}
		break;
	case 2:
		if (w->now - w->window_ms >= XFED_FOLD_WINDOW_MS) {
			w->window_ms = w->now;
			w->in_window = 0;
		}
		w->now += 100 * (uint64_t)how;
		take_kept(w);
		break;
	case 3: /* more networks than there are places */
		for (unsigned i = 0; i < 8U * how; i++) {
			made[12] = (char)('A' + i % 32);
			made[13] = (char)('A' + i / 32);
			take(w, xfed_span_make(made, 14), xfed_span_str(names[i % 3]), m);
		}
		break;
	}
}

static void fold(struct input *in)
{
	struct folding w = { .now = 1000 };
	struct proto_failure m = { .local = text(in),
		.remote = text(in),
		.text = text(in),
		.address = text(in),
		.reason = (enum xfed_reason)(byte(in) % XFED_REASON_COUNT) };
	MUST(proto_fold_new(&w.f) == XFED_OK);
	for (int i = 0; i < 40 && in->at < in->end; i++) {
		fold_one(&w, in, &m);
	}
	w.now += XFED_FOLD_WINDOW_MS;
	take_kept(&w);
	MUST(w.told == w.taken);
	proto_fold_free(w.f);
}

/* ---- outcomes ---- */

static void must_read_again(const struct xfed_stanza_error *err)
{
	static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX, 0 };
	struct xfed_stanza_words words = { true, XFED_SPAN("chat"), XFED_SPAN("i"), XFED_SPAN("a@b.example"), XFED_SPAN("c@d.example") };
	struct xfed_xml_reader *r;
	struct xfed_arena arena;
	struct xfed_span said;
	struct xfed_buf out;
	bool nomem = false;
	xfed_arena_init(&arena, 1 << 20);
	xfed_buf_init(&out, 1 << 20);
	struct xfed_xml_elem *e = xfed_stanza_error_of_words(&arena, &words, err, &nomem);
	MUST(e && xfed_xml_write(&out, e, XFED_SPAN("jabber:server")) == XFED_OK && xfed_xml_reader_new_fragment(&limits, &r) == XFED_OK);
	MUST(xfed_xml_reader_fragment(r, xfed_buf_span(&out)) == XFED_XML_ELEMENT);
	MUST(xfed_span_is(xfed_stanza_error_condition(xfed_xml_reader_elem(r), &arena, &said), err->condition));
	MUST(said.len > 0);
	MUST(!xfed_stanza_error_address(xfed_xml_reader_elem(r), &arena).data || strcmp(err->condition, "gone") == 0 ||
		strcmp(err->condition, "redirect") == 0);
	xfed_xml_reader_free(r);
	xfed_buf_deinit(&out);
	xfed_arena_deinit(&arena);
}

static bool is_word(const char *s, const char *words)
{
	const char *at = strstr(words, s);
	return at && at[-1] == ' ' && at[strlen(s)] == ' ';
}

/* RFC 6120 section 8.3.3 and 8.3.2: they become the name of an element, and tell a client what to do. */
static void must_be_words(const struct xfed_stanza_error *err)
{
	static const char conditions[] =
		" bad-request conflict feature-not-implemented forbidden gone internal-server-error item-not-found "
		"jid-malformed not-acceptable not-allowed not-authorized policy-violation recipient-unavailable redirect registration-required "
		"remote-server-not-found remote-server-timeout resource-constraint service-unavailable subscription-required undefined-condition "
		"unexpected-request ";
	MUST(is_word(err->condition, conditions) && (!err->type || is_word(err->type, " auth cancel continue modify wait ")));
}

static void outcome(struct input *in)
{
	uint8_t reason = byte(in);
	Xfed__Outcome *oc = xfed__outcome__unpack(NULL, (size_t)(in->end - in->at), in->at), *list[] = { oc };
	Xfed__Settled settled = XFED__SETTLED__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	struct xfed_stanza_error err;
	settled.outcomes = list;
	settled.n_outcomes = 1;
	f.body_case = XFED__FRAME__BODY_SETTLED;
	f.settled = &settled;
	if (oc && !proto_check(&f)) {
		MUST(*proto_outcome_rule(oc));
		MUST(proto_outcome_is_bad(oc) == (oc->fate != XFED__FATE__FATE_DELIVERED && oc->fate != XFED__FATE__FATE_DROPPED));
		/* A reason speaks where nothing else does: its code is never empty but for none. */
		proto_outcome_error(oc, (enum xfed_reason)(1 + reason % (XFED_REASON_COUNT - 1)), &err);
		must_be_words(&err);
		must_read_again(&err);
	}
	if (oc) {
		xfed__outcome__free_unpacked(oc, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(struct input * in) = { fill_failure, bare, fold, outcome };
	static struct input in;
	static bool is_ready;
	if (!is_ready) {
		MUST(xfed_xml_global_init() == XFED_OK);
		is_ready = true;
	}
	in.at = data;
	in.end = data + size;
	in.used = 0;
	parts[byte(&in) % XFED_ARRAY_LEN(parts)](&in);
	return 0;
}
