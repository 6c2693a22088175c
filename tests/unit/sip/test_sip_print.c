/* Requests and responses from templates: exact bytes, sizes, and what is refused (RFC 3261
 * sections 8.1.1, 8.2.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sip/outside.h"
#include "sip/print.h"

static struct sip_request request(void)
{
	return (struct sip_request){
		.method = XFED_SPAN("MESSAGE"),
		.uri = XFED_SPAN("sip:dave@example.org"),
		.from_uri = XFED_SPAN("sip:juliet@example.com;gr=balcony"),
		.from_tag = XFED_SPAN("ft"),
		.to_uri = XFED_SPAN("sip:dave@example.org"),
		.call_id = XFED_SPAN("cid@gw"),
		.cseq = 1,
		.body = XFED_SPAN("hello"),
	};
}

static struct sip_via_out via(void)
{
	return (struct sip_via_out){ .transport = "TLS", .host = XFED_SPAN("gw.example.net"), .port = 5061, .branch = XFED_SPAN("b1") };
}

static int print(const struct sip_request *r, const struct sip_via_out *v, char *out, size_t size, size_t *len)
{
	size_t measured;
	int rc = sip_print_request(r, v, NULL, 0, &measured);
	int printed = sip_print_request(r, v, out, size, len);
	assert_int_equal(measured, *len);
	assert_int_equal(rc, printed);
	return rc;
}

static void whole_request(void **state)
{
	static const char want[] = "MESSAGE sip:dave@example.org SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKb1;rport\r\n"
				   "Max-Forwards: 70\r\n"
				   "Route: <sip:fe.example.org;lr>\r\n"
				   "From: \"Ju \\\"L\\\" \\\\\" <sip:juliet@example.com;gr=balcony>;tag=ft\r\n"
				   "To: <sip:dave@example.org>\r\n"
				   "Call-ID: cid@gw\r\n"
				   "CSeq: 1 MESSAGE\r\n"
				   "User-Agent: xfed\r\n"
				   "Subject: \xc3\xa4 x\r\n"
				   "Content-Type: text/plain;charset=UTF-8\r\n"
				   "Content-Language: de\r\n"
				   "Expires: 60\r\n"
				   "Content-Length: 5\r\n\r\nhello";
	char out[1024];
	size_t len;
	struct sip_request r = request();
	struct sip_via_out v = via();
	v.transport = "UDP";
	v.host = XFED_SPAN("2001:db8::1");
	v.port = 5060;
	v.has_rport = true;
	r.route = XFED_SPAN("<sip:fe.example.org;lr>");
	r.from_display = XFED_SPAN("Ju \"L\" \\");
	r.user_agent = XFED_SPAN(SIP_USER_AGENT);
	r.subject = XFED_SPAN("\xc3\xa4 x");
	r.content_type = XFED_SPAN("text/plain;charset=UTF-8");
	r.content_language = XFED_SPAN("de");
	r.extra = XFED_SPAN("Expires: 60\r\n");
	assert_int_equal(print(&r, &v, out, sizeof(out), &len), XFED_OK);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(out, want, len);
}

static void least_request(void **state)
{
	static const char want[] = "MESSAGE sip:dave@example.org SIP/2.0\r\nVia: SIP/2.0/TLS "
				   "gw.example.net:5061;branch=z9hG4bKb1\r\n"
				   "Max-Forwards: 70\r\nFrom: <sip:juliet@example.com;gr=balcony>;tag=ft\r\nTo: "
				   "<sip:dave@example.org>\r\n"
				   "Call-ID: cid@gw\r\nCSeq: 1 MESSAGE\r\nContent-Length: 5\r\n\r\nhello";
	char out[1024];
	size_t len;
	struct sip_request r = request();
	struct sip_via_out v = via();
	assert_int_equal(print(&r, &v, out, sizeof(out), &len), XFED_OK);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(out, want, len);
	assert_int_equal(sip_print_request(&r, &v, out, len - 1, &len), XFED_ERR_LIMIT);
	assert_int_equal(len, sizeof(want) - 1);
}

/* Nothing from the other side adds a header or breaks the message. */
static void hostile_values(void **state)
{
#define FIELD(f)                                                                                                                                     \
	{                                                                                                                                            \
#f, offsetof(struct sip_request, f)                                                                                                  \
	}
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = { FIELD(method), FIELD(uri), FIELD(route), FIELD(from_uri), FIELD(from_display), FIELD(from_tag), FIELD(to_uri), FIELD(to_tag),
		FIELD(call_id), FIELD(user_agent), FIELD(subject), FIELD(content_type), FIELD(content_language), FIELD(extra) };
	static const char *const values[] = { "sip:a@b\r\nX: y", "a/b\nX: y", "a\rb", "a\x01", "a\x7f", "text/plain\r\n\r\nbody", "\xff" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(fields); i++) {
		for (size_t k = 0; k < XFED_ARRAY_LEN(values); k++) {
			char out[1024];
			size_t len;
			struct sip_request r = request();
			struct sip_via_out v = via();
			struct xfed_span value = xfed_span_str(values[k]);
			memcpy((char *)&r + fields[i].offset, &value, sizeof(value));
			if (print(&r, &v, out, sizeof(out), &len) != XFED_ERR_INVALID) {
				fail_msg("%s, value %zu", fields[i].name, k);
			}
		}
	}
}

static void other_refusals(void **state)
{
	static const struct {
		const char *name;
		struct xfed_span extra, branch, host;
		uint32_t cseq;
		int max_forwards;
	} rows[] = {
		{ .name = "cseq", .cseq = 1U << 31 },
		{ .name = "max_forwards", .max_forwards = 256 },
		{ .name = "branch", .branch = { "a;b", 3 } },
		{ .name = "empty branch", .branch = { "", 0 } },
		{ .name = "host", .host = { "a b", 3 } },
		{ .name = "extra without CRLF", .extra = { "A: b", 4 } },
		{ .name = "extra without name", .extra = { ": b\r\n", 5 } },
		{ .name = "extra folded", .extra = { "A: b\r\n c\r\n", 10 } },
		{ .name = "extra Via", .extra = { "v: x\r\n", 6 } },
		{ .name = "extra Content-Length", .extra = { "Content-Length: 1\r\n", 19 } },
		{ .name = "extra end of header", .extra = { "\r\n", 2 } },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char out[1024];
		size_t len;
		struct sip_request r = request();
		struct sip_via_out v = via();
		r.cseq = rows[i].cseq ? rows[i].cseq : r.cseq;
		r.max_forwards = rows[i].max_forwards;
		r.extra = rows[i].extra;
		v.branch = rows[i].branch.data ? rows[i].branch : v.branch;
		v.host = rows[i].host.data ? rows[i].host : v.host;
		if (print(&r, &v, out, sizeof(out), &len) != XFED_ERR_INVALID) {
			fail_msg("%s", rows[i].name);
		}
	}
	struct sip_request r = request();
	struct sip_via_out v = via();
	size_t len;
	r.from_tag = (struct xfed_span){ NULL, 0 };
	assert_int_equal(sip_print_request(&r, &v, NULL, 0, &len), XFED_ERR_INVALID);
}

/* What was printed parses, with the same values. */
static void round_trip(void **state)
{
	char out[1024];
	size_t len;
	struct sip_request r = request();
	struct sip_via_out v = via();
	struct sip_message *m;
	struct sip_error err;
	r.body = xfed_span_make("a\0\r\n\xff", 5);
	r.subject = XFED_SPAN("x");
	assert_int_equal(print(&r, &v, out, sizeof(out), &len), XFED_OK);
	assert_int_equal(sip_message_parse(xfed_span_make(out, len), SIP_PARSE_STREAM, &m, &err), XFED_OK);
	assert_true(xfed_span_eq(m->body, r.body) && xfed_span_eq(m->from.uri, r.from_uri) && xfed_span_eq(m->from.tag, r.from_tag));
	assert_true(xfed_span_eq(m->call_id, r.call_id) && xfed_span_eq(m->subject, r.subject) && m->cseq == r.cseq);
	assert_true(xfed_span_is(m->via.branch, "z9hG4bKb1") && m->max_forwards == 70 && !m->to.tag.data);
	sip_message_free(m);
}

static void responses(void **state)
{
	static const char text[] = "MESSAGE sip:c@d SIP/2.0\r\nv: SIP/2.0/UDP "
				   "h;branch=z9hG4bK1;rport, SIP/2.0/TCP i;branch=z9hG4bK2\r\n"
				   "Via: SIP/2.0/UDP j;branch=z9hG4bK3\r\nMax-Forwards: "
				   "70\r\nFrom: \"A\" <sip:a@b>;tag=1\r\nTo: sip:c@d\r\n"
				   "Call-ID: 1@x\r\nCSeq: 7\r\n MESSAGE\r\n\r\n";
	static const char want[] = "SIP/2.0 480 Temporarily Unavailable\r\n"
				   "Via: SIP/2.0/UDP h;branch=z9hG4bK1;received=2001:db8::5;rport=77, SIP/2.0/TCP "
				   "i;branch=z9hG4bK2\r\n"
				   "Via: SIP/2.0/UDP j;branch=z9hG4bK3\r\nFrom: \"A\" <sip:a@b>;tag=1\r\nTo: "
				   "sip:c@d;tag=tt\r\nCall-ID: 1@x\r\n"
				   "CSeq: 7   MESSAGE\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";
	struct sip_message *m;
	struct sip_error err;
	struct sip_source source = { XFED_SPAN("2001:db8::5"), 77 };
	char head[1024], out[1024];
	size_t head_len, len, measured;
	assert_int_equal(sip_message_parse(xfed_span_str(text), SIP_PARSE_DATAGRAM, &m, &err), XFED_OK);
	assert_int_equal(sip_print_response_head(m, &source, XFED_SPAN("tt"), head, sizeof(head), &head_len), XFED_OK);
	struct xfed_span h = xfed_span_make(head, head_len);
	struct sip_response busy = { .status = 480, .extra = XFED_SPAN("Retry-After: 5\r\n") };
	assert_int_equal(sip_print_response(&busy, h, NULL, 0, &measured), XFED_OK);
	assert_int_equal(sip_print_response(&busy, h, out, sizeof(out), &len), XFED_OK);
	assert_int_equal(len, measured);
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(out, want, len);
	assert_int_equal(sip_print_response(&(struct sip_response){ .status = 480, .phrase = XFED_SPAN("a\r\nb") }, h, out, sizeof(out), &len),
		XFED_ERR_INVALID);
	assert_int_equal(sip_print_response(&(struct sip_response){ .status = 99 }, h, out, sizeof(out), &len), XFED_ERR_INVALID);
	assert_int_equal(sip_print_response(&(struct sip_response){ .status = 700 }, h, out, sizeof(out), &len), XFED_ERR_INVALID);
	assert_int_equal(sip_print_response(&(struct sip_response){ .status = 200, .extra = XFED_SPAN("To: x\r\n") }, h, out, sizeof(out), &len),
		XFED_ERR_INVALID);
	sip_message_free(m);
}

/* Sections 9.1 and 17.1.1.3: Request-URI, top Via, From, Call-ID, CSeq number and Route of the
 * INVITE; To of the response in the ACK. */
static void ack_and_cancel(void **state)
{
	static const char invite[] = "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nMax-Forwards: "
				     "70\r\nRoute: <sip:r;lr>\r\n"
				     "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 7 "
				     "INVITE\r\nContent-Length: 0\r\n\r\n";
	static const char answer[] = "SIP/2.0 486 Busy\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: "
				     "<sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
				     "Call-ID: 1\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n";
#define FOLLOWER(method, to)                                                                                                                         \
	method " sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nMax-Forwards: "                                                            \
	       "70\r\nRoute: <sip:r;lr>\r\n"                                                                                                         \
	       "From: <sip:a@b>;tag=1\r\nTo: " to "\r\nCall-ID: 1\r\nCSeq: 7 " method "\r\nContent-Length: 0\r\n\r\n"
	static const char ack[] = FOLLOWER("ACK", "<sip:c@d>;tag=2"), cancel[] = FOLLOWER("CANCEL", "<sip:c@d>");
	struct sip_message *i, *a;
	struct sip_error err;
	char out[1024];
	size_t len;
	assert_int_equal(sip_message_parse(xfed_span_str(invite), SIP_PARSE_STREAM, &i, &err), XFED_OK);
	assert_int_equal(sip_message_parse(xfed_span_str(answer), SIP_PARSE_STREAM, &a, &err), XFED_OK);
	assert_int_equal(sip_print_ack(i, a, out, sizeof(out), &len), XFED_OK);
	assert_true(xfed_span_eq(xfed_span_make(out, len), xfed_span_str(ack)));
	assert_int_equal(sip_print_cancel(i, out, sizeof(out), &len), XFED_OK);
	assert_true(xfed_span_eq(xfed_span_make(out, len), xfed_span_str(cancel)));
	sip_message_free(i);
	sip_message_free(a);
}

static void phrases(void **state)
{
	assert_string_equal(sip_status_phrase(404), "Not Found");
	assert_string_equal(sip_status_phrase(499), "Request Failure");
	assert_string_equal(sip_status_phrase(-1), "Unknown");
}

/* The Contact at a federated neighbour: the user at his own domain, without what else the URI has. */
static void contact_outside(void **state)
{
	static const struct {
		const char *uri, *contact;
	} rows[] = {
		{ "sip:bob@fabrikam.example", "<sip:bob@fabrikam.example;gr=xfed>" },
		{ "sip:bob@fabrikam.example;gr=balcony", "<sip:bob@fabrikam.example;gr=xfed>" },
		{ "sip:bob@fabrikam.example:5061;transport=tls", "<sip:bob@fabrikam.example;gr=xfed>" },
		{ "sip:fabrikam.example", "<sip:gw.example.net>" },
		{ "tel:+49123", "<sip:gw.example.net>" },
	};
	char out[SIP_OUTSIDE_CONTACT], head[400];
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_span own = XFED_SPAN("<sip:gw.example.net>"), uri = xfed_span_str(rows[i].uri);
		assert_true(xfed_span_is(sip_outside_contact(own, uri, out), rows[i].contact));
		snprintf(head, sizeof(head),
			"Via: SIP/2.0/TLS a;branch=1\r\nFrom: <sip:a@b.example>;tag=1\r\nTo: \"To: x\" <%s>;tag=2\r\nCall-ID: 1\r\n", rows[i].uri);
		assert_true(xfed_span_is(sip_outside_answer(own, xfed_span_str(head), out), rows[i].contact));
	}
	assert_null(sip_outside_contact((struct xfed_span){ NULL, 0 }, XFED_SPAN("sip:bob@fabrikam.example"), out).data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_request),
		cmocka_unit_test(least_request),
		cmocka_unit_test(hostile_values),
		cmocka_unit_test(other_refusals),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(responses),
		cmocka_unit_test(ack_and_cancel),
		cmocka_unit_test(phrases),
		cmocka_unit_test(contact_outside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
