/*
 * Dialogs (RFC 3261 section 12): requests and responses are printed by one end and read by the other, so that each sees what
 * would be on the wire.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing.h"
#include "sip/dialog.h"
#include "sip/print.h"
#include "xfed/limits.h"

static const struct sip_secret secret = { .bytes = { 1 } };

static struct sip_message *read_text(const char *text)
{
	struct sip_message *m;
	struct sip_error err;
	if (sip_message_parse(xfed_span_str(text), SIP_PARSE_DATAGRAM, &m, &err) != XFED_OK) {
		fail_msg("%s in: %s", err.phrase, text);
	}
	return m;
}

/* A request as its receiver sees it, with header lines that proxies on the way have put in front. */
static struct sip_message *carry(const struct sip_request *r, const char *more)
{
	static char out[8192], text[10000];
	struct sip_via_out via = { "TCP", XFED_SPAN("a.example"), 5060, XFED_SPAN("b1"), false };
	size_t len;
	assert_int_equal(sip_print_request(r, &via, out, sizeof(out) - 1, &len), XFED_OK);
	out[len] = '\0';
	char *line = strstr(out, "\r\n") + 2;
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(line - out), out, more, line);
	return read_text(text);
}

static struct sip_message *answer(const struct sip_message *request, int status, const char *tag, const char *more)
{
	static char head[8192], out[10000];
	struct sip_source source = { XFED_SPAN("192.0.2.1"), 5060 };
	size_t head_len, len;
	assert_int_equal(sip_print_response_head(request, &source, xfed_span_str(tag), head, sizeof(head), &head_len), XFED_OK);
	assert_int_equal(sip_print_response(&(struct sip_response){ .status = status, .extra = xfed_span_str(more) }, xfed_span_make(head, head_len),
				 out, sizeof(out) - 1, &len),
		XFED_OK);
	out[len] = '\0';
	return read_text(out);
}

static const struct sip_request first = { .method = { "SUBSCRIBE", 9 },
	.uri = { "sip:bob@b.example", 17 },
	.from_uri = { "sip:alice@a.example", 19 },
	.from_tag = { "ta", 2 },
	.to_uri = { "sip:bob@b.example", 17 },
	.call_id = { "c1@a", 4 },
	.cseq = 7,
	.contact = { "<sip:alice@10.0.0.1:5060;transport=tcp>", 39 } };
static const struct sip_dialog_start start = { { "c1@a", 4 }, { "ta", 2 }, { "sip:alice@a.example", 19 }, { "sip:bob@b.example", 17 }, 7 };

static bool same_key(const struct sip_dialog *d, const struct sip_message *m)
{
	struct sip_key a = sip_key_dialog(
		&secret, sip_dialog_text(d, SIP_DIALOG_CALL_ID), sip_dialog_text(d, SIP_DIALOG_LOCAL_TAG), sip_dialog_text(d, SIP_DIALOG_REMOTE_TAG));
	struct sip_key b = sip_key_dialog(&secret, m->call_id, m->to.tag, m->from.tag);
	return a.a == b.a && a.b == b.b;
}

/* The next request of `from` as `to` sees it. */
static struct sip_message *send(struct sip_dialog *from, const char *method, const char *contact)
{
	struct sip_request r = { .contact = contact ? xfed_span_str(contact) : (struct xfed_span){ NULL, 0 } };
	assert_true(sip_dialog_request(from, xfed_span_str(method), &r));
	return carry(&r, "");
}

struct pair {
	struct sip_dialog *uac, *uas;
};

/* Two proxies in the way, which record their routes. */
#define ROUTES "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n"

static struct pair join(const char *routes)
{
	struct pair p;
	char more[512];
	struct sip_message *request = carry(&first, routes);
	assert_int_equal(sip_dialog_of_request(request, XFED_SPAN("tb"), &p.uas), XFED_OK);
	snprintf(more, sizeof(more), "%sContact: <sip:bob@10.0.0.2>\r\n", routes);
	struct sip_message *response = answer(request, 200, "tb", more);
	assert_int_equal(sip_dialog_of_response(&start, response, &p.uac), XFED_OK);
	sip_message_free(request);
	sip_message_free(response);
	return p;
}

static void part(struct pair *p)
{
	sip_dialog_free(p->uac);
	sip_dialog_free(p->uas);
}

static void expect(const struct sip_message *m, const char *uri, const char *route)
{
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_ROUTE, NULL);
	if (!xfed_span_is(m->request_uri, uri) || (h ? !xfed_span_is(h->value, route) : *route)) {
		fail_msg("%.*s by %.*s; want %s by %s", (int)m->request_uri.len, m->request_uri.data, h ? (int)h->value.len : 0,
			h ? h->value.data : "", uri, route);
	}
}

/* Both ends name the same dialog, and each goes the other's way back. */
static void both_ways(void **state)
{
	struct pair p = join(ROUTES);
	struct sip_message *notify = send(p.uas, "NOTIFY", "<sip:bob@10.0.0.2>");
	expect(notify, "sip:alice@10.0.0.1:5060;transport=tcp", "<sip:p2.example;lr>, <sip:p1.example;lr>");
	assert_true(same_key(p.uac, notify));
	assert_int_equal(sip_dialog_take(p.uac, notify), SIP_DIALOG_TAKEN);
	struct sip_message *refresh = send(p.uac, "SUBSCRIBE", "<sip:alice@10.0.0.1:5060;transport=tcp>");
	expect(refresh, "sip:bob@10.0.0.2", "<sip:p1.example;lr>, <sip:p2.example;lr>");
	assert_true(same_key(p.uas, refresh));
	assert_int_equal(refresh->cseq, 8);
	assert_int_equal(sip_dialog_take(p.uas, refresh), SIP_DIALOG_TAKEN);
	assert_true(xfed_span_is(sip_dialog_next_hop(p.uac), "sip:p1.example;lr"));
	assert_true(xfed_span_is(sip_dialog_next_hop(p.uas), "sip:p2.example;lr"));
	sip_message_free(notify);
	sip_message_free(refresh);
	part(&p);
	p = join("");
	assert_true(xfed_span_is(sip_dialog_next_hop(p.uac), "sip:bob@10.0.0.2"));
	part(&p);
}

/* Section 12.2.1.1: a router without lr is named in the Request-URI, the target ends the routes; also after a refresh. */
static void strict_router(void **state)
{
	struct pair p = join("Record-Route: <sip:p2.example>, <sip:p1.example;lr>\r\n");
	struct sip_message *m = send(p.uas, "NOTIFY", NULL);
	expect(m, "sip:p2.example", "<sip:p1.example;lr>, <sip:alice@10.0.0.1:5060;transport=tcp>");
	assert_true(xfed_span_is(sip_dialog_next_hop(p.uas), "sip:p2.example"));
	sip_message_free(m);
	struct sip_message *refresh = send(p.uac, "SUBSCRIBE", "<sip:alice@10.0.0.9>");
	assert_int_equal(sip_dialog_take(p.uas, refresh), SIP_DIALOG_TAKEN);
	m = send(p.uas, "NOTIFY", NULL);
	expect(m, "sip:p2.example", "<sip:p1.example;lr>, <sip:alice@10.0.0.9>");
	sip_message_free(m);
	sip_message_free(refresh);
	part(&p);
	p = join("Record-Route: <sip:only.example>\r\n");
	m = send(p.uac, "BYE", NULL);
	expect(m, "sip:only.example", "<sip:bob@10.0.0.2>");
	sip_message_free(m);
	part(&p);
}

/* Section 12.2.2: a number that goes back is refused and changes nothing; gaps are fine; ACK and CANCEL have their INVITE's. */
/* What has been found of the way of requests is known until the target changes. */
static void order(void **state)
{
	static const struct {
		const char *method, *contact;
		uint32_t cseq;
		enum sip_dialog_verdict want;
		const char *target; /* behind it */
	} rows[] = {
		{ "SUBSCRIBE", "Contact: <sip:x@10.0.0.3>\r\n", 7, SIP_DIALOG_OUT_OF_ORDER, "sip:alice@10.0.0.1:5060;transport=tcp" },
		{ "SUBSCRIBE", "Contact: <sip:x@10.0.0.3>\r\n", 6, SIP_DIALOG_OUT_OF_ORDER, "sip:alice@10.0.0.1:5060;transport=tcp" },
		{ "SUBSCRIBE", "Contact: <sip:x@10.0.0.3>\r\n", 20, SIP_DIALOG_TAKEN, "sip:x@10.0.0.3" },
		{ "MESSAGE", "Contact: <sip:y@10.0.0.4>\r\n", 21, SIP_DIALOG_TAKEN, "sip:x@10.0.0.3" },
		{ "ACK", "", 7, SIP_DIALOG_TAKEN, "sip:x@10.0.0.3" },
		{ "UPDATE", "Contact: <sip:a@h>, <sip:b@h>\r\n", 22, SIP_DIALOG_BAD_CONTACT, "sip:x@10.0.0.3" },
		{ "UPDATE", "Contact: <tel:1>\r\n", 22, SIP_DIALOG_BAD_CONTACT, "sip:x@10.0.0.3" },
		{ "UPDATE", "", 22, SIP_DIALOG_TAKEN, "sip:x@10.0.0.3" },
		{ "INVITE", "Contact: <sip:z@10.0.0.5>\r\n", 4294967295u, SIP_DIALOG_TAKEN, "sip:z@10.0.0.5" },
	};
	struct pair p = join("");
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char text[1024];
		snprintf(text, sizeof(text),
			"%s sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:alice@a.example>;tag=ta\r\n"
			"To: <sip:bob@b.example>;tag=tb\r\nCall-ID: c1@a\r\nCSeq: %u %s\r\n%s\r\n",
			rows[i].method, rows[i].cseq, rows[i].method, rows[i].contact);
		struct sip_message *m = read_text(text);
		bool changes = !xfed_span_is(sip_dialog_text(p.uas, SIP_DIALOG_TARGET), rows[i].target);
		p.uas->judged = 3;
		p.uas->is_printable = true;
		enum sip_dialog_verdict v = sip_dialog_take(p.uas, m);
		assert_int_equal(p.uas->judged, changes ? 0 : 3);
		assert_int_equal(p.uas->is_printable, !changes);
		if (v != rows[i].want || !xfed_span_is(sip_dialog_text(p.uas, SIP_DIALOG_TARGET), rows[i].target)) {
			fail_msg("row %zu: %d, target %.*s", i, v, (int)sip_dialog_text(p.uas, SIP_DIALOG_TARGET).len,
				sip_dialog_text(p.uas, SIP_DIALOG_TARGET).data);
		}
		sip_message_free(m);
	}
	part(&p);
}

/* What a provisional answer began, a 2xx confirms, with its own Contact and routes; each fork has a dialog of its own. */
static void early(void **state)
{
	struct sip_request invite = first;
	invite.method = XFED_SPAN("INVITE");
	struct sip_message *request = carry(&invite, ""), *ringing = answer(request, 180, "t1", ""),
			   *ok = answer(request, 200, "t1", "Record-Route: <sip:p1.example;lr>\r\nContact: <sip:bob@10.0.0.2>\r\n"),
			   *fork = answer(request, 200, "t2", "Contact: <sip:bob@10.0.0.8>\r\n");
	struct sip_dialog *d, *other;
	struct sip_request ack = { 0 };
	assert_int_equal(sip_dialog_of_response(&start, ringing, &d), XFED_OK);
	assert_true(d->is_early && xfed_span_is(sip_dialog_text(d, SIP_DIALOG_TARGET), "sip:bob@b.example"));
	assert_int_equal(sip_dialog_confirm(d, ringing), XFED_ERR_INVALID); /* no Contact */
	assert_int_equal(sip_dialog_confirm(d, ok), XFED_OK);
	assert_true(!d->is_early);
	sip_dialog_ack(d, 7, &ack);
	assert_true(ack.cseq == 7 && d->local_cseq == 7 && xfed_span_is(ack.uri, "sip:bob@10.0.0.2") &&
		    xfed_span_is(ack.route, "<sip:p1.example;lr>") && xfed_span_is(ack.to_tag, "t1"));
	assert_int_equal(sip_dialog_of_response(&start, fork, &other), XFED_OK);
	assert_true(xfed_span_is(sip_dialog_text(other, SIP_DIALOG_REMOTE_TAG), "t2") &&
		    xfed_span_is(sip_dialog_text(other, SIP_DIALOG_TARGET), "sip:bob@10.0.0.8"));
	sip_dialog_free(d);
	sip_dialog_free(other);
	sip_message_free(request);
	sip_message_free(ringing);
	sip_message_free(ok);
	sip_message_free(fork);
}

/* RFC 6665 section 4.4.1: the NOTIFY may be quicker than the answer to SUBSCRIBE; both tell of the same dialog. */
static void notify_first(void **state)
{
	struct pair p = join(ROUTES);
	struct sip_request r = { .contact = XFED_SPAN("<sip:bob@10.0.0.2>") };
	struct sip_dialog *d;
	assert_true(sip_dialog_request(p.uas, XFED_SPAN("NOTIFY"), &r));
	/* The proxies between them record the same routes for it, seen from this end. */
	struct sip_message *notify = carry(&r, "Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>\r\n");
	assert_int_equal(sip_dialog_of_notify(&start, notify, &d), XFED_OK);
	assert_true(same_key(d, notify) && xfed_span_eq(sip_dialog_route(d), sip_dialog_route(p.uac)) &&
		    xfed_span_eq(sip_dialog_uri(d), sip_dialog_uri(p.uac)));
	assert_int_equal(sip_dialog_take(d, notify), SIP_DIALOG_OUT_OF_ORDER); /* it has been counted */
	sip_dialog_free(d);
	sip_message_free(notify);
	part(&p);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Contact: *\r\n",
		"Contact: <tel:1>\r\n",
		"Contact: <sip:a@h>, <sip:b@h>\r\n",
		"Contact: <sip:a@h>\r\nm: <sip:b@h>\r\n",
		"Contact: <sip:a@h>\r\nRecord-Route: <tel:1>\r\n",
		"Contact: <sip:a@h>\r\nRecord-Route: sip:p.example;lr\r\n",
	};
	struct sip_request r = first;
	struct sip_dialog *d;
	r.contact = (struct xfed_span){ NULL, 0 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		struct sip_message *m = carry(&r, bad[i]);
		assert_int_equal(sip_dialog_of_request(m, XFED_SPAN("tb"), &d), XFED_ERR_INVALID);
		assert_null(d);
		sip_message_free(m);
	}
	/* More routes than are taken. */
	char many[4096] = "Contact: <sip:a@h>\r\nRecord-Route: ";
	for (int i = 0; i <= XFED_SIP_ROUTES_MAX; i++) {
		strcat(many, i > 0 ? ",<sip:p;lr>" : "<sip:p;lr>");
	}
	strcat(many, "\r\n");
	struct sip_message *m = carry(&r, many);
	assert_int_equal(sip_dialog_of_request(m, XFED_SPAN("tb"), &d), XFED_ERR_INVALID);
	sip_message_free(m);
	/* An answer without a tag makes none. */
	m = carry(&first, "");
	struct sip_message *untagged = answer(m, 200, "tb", "Contact: <sip:bob@10.0.0.2>\r\n");
	untagged->to.tag = (struct xfed_span){ NULL, 0 };
	assert_int_equal(sip_dialog_of_response(&start, untagged, &d), XFED_ERR_INVALID);
	sip_message_free(untagged);
	sip_message_free(m);
}

/* 2^31 requests are enough for anybody. */
static void last_number(void **state)
{
	struct pair p = join("");
	struct sip_request r = { 0 };
	p.uac->local_cseq = ((uint32_t)1 << 31) - 2;
	assert_true(sip_dialog_request(p.uac, XFED_SPAN("BYE"), &r));
	assert_int_equal(r.cseq, ((uint32_t)1 << 31) - 1);
	assert_false(sip_dialog_request(p.uac, XFED_SPAN("BYE"), &r));
	part(&p);
}

/* What is written and read again is the same dialog, whose requests are behind all that may have gone out meanwhile. */
static void written_and_read(void **state)
{
	static const char *const ways[] = { "", "Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>\r\n",
		"Record-Route: <sip:strict.example>\r\n" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(ways); i++) {
		struct sip_dialog *d, *again;
		struct xfed_buf text;
		struct sip_request was = { .method = XFED_SPAN("NOTIFY") }, is = was;
		struct sip_message *request = carry(&first, ways[i]);
		assert_int_equal(sip_dialog_of_request(request, XFED_SPAN("tb"), &d), XFED_OK);
		sip_message_free(request);
		xfed_buf_init(&text, 4096);
		assert_int_equal(sip_dialog_write(d, &text), XFED_OK);
		assert_int_equal(sip_dialog_read(xfed_buf_span(&text), &again), XFED_OK);
		assert_true(again->has_remote_cseq && again->remote_cseq == 7 && again->local_cseq == d->local_cseq + SIP_DIALOG_CSEQ_AHEAD);
		assert_true(sip_dialog_request(d, was.method, &was) && sip_dialog_request(again, is.method, &is));
		const struct xfed_span a[] = { was.uri, was.route, was.from_uri, was.from_tag, was.to_uri, was.to_tag, was.call_id };
		const struct xfed_span b[] = { is.uri, is.route, is.from_uri, is.from_tag, is.to_uri, is.to_tag, is.call_id };
		for (size_t n = 0; n < XFED_ARRAY_LEN(a); n++) {
			assert_true(xfed_span_eq(a[n], b[n]));
		}
		for (size_t n = 0; n < xfed_buf_len(&text); n++) { /* a part of it is no dialog */
			struct sip_dialog *none;
			assert_int_equal(sip_dialog_read(xfed_span_make(xfed_buf_span(&text).data, n), &none), XFED_ERR_INVALID);
			assert_null(none);
		}
		sip_dialog_free(d);
		sip_dialog_free(again);
		xfed_buf_deinit(&text);
	}
}

static void no_dialog_is_read(void **state)
{
	static const char *const texts[] = { "", "\n\n\n\n\n\n\n\n\n", "c\na\nb\nu\nv\nsip:x\n\n1\n1\n1\n", "c\na\nb\nu\nv\nsip:x\n\n-1\n1\n",
		"c\na\nb\nu\nv\nsip:x\n\n2147483647\n1\n", "c\na\nb\nu\nv\nsip:x\n\n1\n4294967296\n", "\na\nb\nu\nv\nsip:x\n\n1\n1\n",
		"c\na\nb\nu\nv\n\n\n1\n1\n" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
		struct sip_dialog *d;
		assert_int_equal(sip_dialog_read(xfed_span_str(texts[i]), &d), XFED_ERR_INVALID);
	}
}

static void failing_allocations(void **state)
{
	struct sip_message *request = carry(&first, ROUTES);
	for (long n = 0;; n++) {
		struct sip_dialog *d = NULL;
		long held = failing_held;
		failing_arm(n);
		int rc = sip_dialog_of_request(request, XFED_SPAN("tb"), &d);
		bool hit = failing_hit;
		failing_arm(-1);
		assert_int_equal(rc, hit ? XFED_ERR_NOMEM : XFED_OK);
		assert_true(hit == !d);
		sip_dialog_free(d);
		assert_int_equal(failing_held, held);
		if (!hit) {
			break;
		}
	}
	sip_message_free(request);
}

int main(void)
{
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(strict_router),
		cmocka_unit_test(order),
		cmocka_unit_test(early),
		cmocka_unit_test(notify_first),
		cmocka_unit_test(refused),
		cmocka_unit_test(last_number),
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(no_dialog_is_read),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
