/*
 * A query and a DNS that says anything: the first bytes choose the query, the rest is eaten by the
 * answers, in an order of the input's choosing, with records of other types, names of any bytes,
 * and answers to questions that were never asked.
 *
 * Security sentence: a place comes out only with an address that an A or AAAA answer gave for a
 * name that was asked for (or that stood in the query), over a transport the caller supports and
 * asked for, and over TLS with the name of the query, whatever the DNS said; and a lookup ends
 * after a bounded number of questions, each about a name that is a name. A question is answered
 * once; there is no result before the end, and what comes behind it changes none; it may be
 * given up at any time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sip/failover.h"
#include "sip/locate.h"

#define REQUIRE(c)    ((c) ? (void)0 : abort())
#define QUESTIONS_MAX (1 + XFED_SIP_LOCATE_NAPTRS + 2 * XFED_SIP_LOCATE_TARGETS)
#define RECORDS	      70

struct input {
	const uint8_t *data;
	size_t size;
};

struct given {
	uint8_t address[16];
	bool is_ipv6;
};

struct play {
	struct sip_locate *l;
	struct input in;
	unsigned open[QUESTIONS_MAX + 1];
	enum xfed_dns_type types[QUESTIONS_MAX + 1];
	size_t open_count, asked;
	struct given *given;
	size_t given_count;
	uint16_t ports[(XFED_SIP_LOCATE_NAPTRS + 1) * RECORDS];
	size_t port_count;
};

static uint8_t byte(struct input *in)
{
	if (in->size == 0) {
		return 0;
	}
	in->size--;
	return *in->data++;
}

static void input_random(void *user, void *out, size_t len)
{
	/* Not from the input: a source that always gives the same is refused for ever. */
	uint32_t *seed = user;
	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 1664525u + 1013904223u;
		((uint8_t *)out)[i] = (uint8_t)(*seed >> 24);
	}
}

/* Of a small stock, so that names meet, or bytes of the input. */
static struct xfed_span name_of(struct input *in)
{
	static const char *const stock[] = { "a.example", "A.Example.", "b.example", "_sip._udp.a.example", "_sips._tcp.b.example", ".", "",
		"localhost", "192.0.2.1", "a..b", "x\n.example" };
	uint8_t n = byte(in);
	if (n < 0xc0) {
		return xfed_span_str(stock[n % XFED_ARRAY_LEN(stock)]);
	}
	size_t len = byte(in);
	len = len < in->size ? len : in->size;
	struct xfed_span s = xfed_span_make(in->data, len);
	in->data += len;
	in->size -= len;
	return s;
}

static uint16_t number(struct input *in)
{
	uint8_t high = byte(in);
	return (uint16_t)(high << 8 | byte(in));
}

static void make_record(struct play *p, enum xfed_dns_type type, struct xfed_dns_record *r)
{
	static const char *const services[] = { "SIP+D2U", "sip+d2t", "SIPS+D2T", "SIP+D2S", "E2U+sip", "" };
	struct input *in = &p->in;
	r->type = type;
	switch (type) {
	case XFED_DNS_NAPTR:
		r->naptr.order = byte(in) & 3;
		r->naptr.preference = byte(in);
		r->naptr.flags = xfed_span_str(byte(in) & 7 ? "s" : "u");
		r->naptr.services = xfed_span_str(services[byte(in) % XFED_ARRAY_LEN(services)]);
		r->naptr.regexp = xfed_span_str(byte(in) & 7 ? "" : "!^.*$!x!");
		r->naptr.replacement = name_of(in);
		break;
	case XFED_DNS_SRV:
		r->srv.priority = byte(in);
		r->srv.weight = number(in);
		r->srv.port = number(in);
		r->srv.target = name_of(in);
		break;
	default:
		for (size_t i = 0; i < sizeof(r->aaaa); i++) {
			r->aaaa[i] = byte(in);
		}
	}
}

/* What the property allows from now on. */
static void note(struct play *p, enum xfed_dns_type asked, const struct xfed_dns_record *r)
{
	if (r->type != asked) {
		return;
	}
	if (r->type == XFED_DNS_SRV && p->port_count < XFED_ARRAY_LEN(p->ports)) {
		p->ports[p->port_count++] = r->srv.port;
	} else if (r->type == XFED_DNS_A || r->type == XFED_DNS_AAAA) {
		struct given *g = &p->given[p->given_count++];
		g->is_ipv6 = r->type == XFED_DNS_AAAA;
		memset(g->address, 0, sizeof(g->address));
		memcpy(g->address, r->aaaa, g->is_ipv6 ? 16 : 4);
	}
}

static void check_question(const struct sip_locate_action *act)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	REQUIRE(act->name.len >= 1 && act->name.len <= 253);
	for (size_t i = 0; i < act->name.len; i++) {
		REQUIRE(act->name.data[i] != '\0' && strchr(allowed, act->name.data[i]));
	}
	REQUIRE(act->type == XFED_DNS_A || act->type == XFED_DNS_AAAA || act->type == XFED_DNS_SRV || act->type == XFED_DNS_NAPTR);
}

/* True once it is done. */
static bool drain(struct play *p)
{
	struct sip_locate_action act;
	bool is_done = false;
	while (sip_locate_next(p->l, &act)) {
		REQUIRE(!is_done);
		is_done = act.kind == SIP_LOCATE_DONE;
		if (!is_done) {
			check_question(&act);
			REQUIRE(++p->asked <= QUESTIONS_MAX && act.question == p->asked);
			p->types[act.question] = act.type;
			p->open[p->open_count++] = act.question;
		}
	}
	REQUIRE(is_done || p->open_count > 0);
	return is_done;
}

static void answer_one(struct play *p)
{
	static const enum xfed_dns_type types[] = { XFED_DNS_A, XFED_DNS_AAAA, XFED_DNS_SRV, XFED_DNS_NAPTR, XFED_DNS_TLSA };
	struct xfed_dns_record records[RECORDS];
	struct xfed_dns_answer answer = { .records = records };
	uint8_t what = byte(&p->in);
	size_t i = byte(&p->in) % p->open_count;
	unsigned question = p->open[i];
	enum xfed_dns_type type = p->types[question];
	p->open[i] = p->open[--p->open_count];
	answer.ttl_s = number(&p->in);
	answer.status = what & 8 ? (enum xfed_dns_status)(what % 5) : XFED_DNS_OK;
	answer.count = what & 16 ? byte(&p->in) % RECORDS : what & 3;
	memset(records, 0, sizeof(records));
	for (size_t k = 0; k < answer.count; k++) {
		make_record(p, byte(&p->in) < 0xf0 ? type : types[byte(&p->in) % XFED_ARRAY_LEN(types)], &records[k]);
		note(p, type, &records[k]);
	}
	bool is_silent = (what & 0xe0) == 0xe0;
	REQUIRE(sip_locate_answer(p->l, question, is_silent ? NULL : &answer, XFED_REASON_DNS_TIMEOUT) == XFED_OK);
}

static bool was_given(const struct play *p, const struct sip_location *w)
{
	for (size_t i = 0; i < p->given_count; i++) {
		if (p->given[i].is_ipv6 == w->is_ipv6 && memcmp(p->given[i].address, w->address, 16) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_port(const struct play *p, const struct sip_locate_query *q, const struct sip_location *w)
{
	if (w->port == (q->port ? q->port : w->transport == SIP_TLS ? 5061 : 5060)) {
		return true;
	}
	for (size_t i = 0; i < p->port_count; i++) {
		if (p->ports[i] == w->port) {
			return !q->port;
		}
	}
	return false;
}

static void check_place(const struct play *p, const struct sip_locate_query *q, const struct sip_location *w)
{
	bool is_supported = false;
	for (size_t i = 0; i < q->transport_count; i++) {
		is_supported = is_supported || q->transports[i] == w->transport;
	}
	REQUIRE(is_supported && (!q->is_sips || w->transport == SIP_TLS));
	REQUIRE(!q->has_transport || q->is_sips || w->transport == q->transport);
	REQUIRE(w->port != 0 && is_port(p, q, w));
	if (w->transport == SIP_TLS) {
		REQUIRE(strcmp(w->tls_name, "a.example") == 0 || p->asked == 0);
	} else {
		REQUIRE(w->tls_name[0] == '\0');
	}
	REQUIRE(p->asked == 0 || was_given(p, w)); /* asked nothing: it stood in the query */
	REQUIRE(!w->is_ipv6 || q->families != SIP_IPV4_ONLY || p->asked == 0);
	REQUIRE(w->is_ipv6 || q->families != SIP_IPV6_ONLY || p->asked == 0);
}

static void check_result(const struct play *p, const struct sip_locate_query *q)
{
	const struct sip_locations *found = sip_locate_result(p->l);
	REQUIRE(found != NULL && found->count <= XFED_SIP_LOCATE_RESULTS);
	REQUIRE((found->count == 0) == (found->reason != XFED_REASON_NONE));
	for (size_t i = 0; i < found->count; i++) {
		struct sip_target t;
		check_place(p, q, &found->list[i]);
		sip_location_target(&found->list[i], &t);
		REQUIRE(t.ip[0] != '\0' && t.flow == 0);
		for (size_t k = 0; k < i; k++) {
			const struct sip_location *a = &found->list[i], *b = &found->list[k];
			REQUIRE(a->transport != b->transport || a->port != b->port || a->is_ipv6 != b->is_ipv6 ||
				memcmp(a->address, b->address, 16) != 0);
		}
	}
	if (found->count > 0) {
		struct sip_failed_places failed = { .count = 0 };
		struct sip_failover *f;
		size_t tries = 1;
		REQUIRE(sip_failover_new(found, &failed, 0, &f) == XFED_OK);
		while (sip_failover_next(f, SIP_ATTEMPT_RESPONSE, 503, true)) {
			REQUIRE(sip_failover_number(f) == tries++);
		}
		REQUIRE(tries == found->count);
		sip_failover_free(f);
	}
}

/* What is no open question any more, or was never one, is not answered. */
static void answer_nothing(struct play *p)
{
	unsigned question = byte(&p->in) % 64u;
	for (size_t i = 0; i < p->open_count; i++) {
		question = p->open[i] == question ? 64 : question;
	}
	REQUIRE(sip_locate_answer(p->l, question, NULL, XFED_REASON_NONE) == XFED_ERR_NOT_FOUND);
}

/* Between two answers. True: nobody waits for it any more. */
static bool is_given_up(struct play *p)
{
	answer_nothing(p);
	REQUIRE(!sip_locate_result(p->l));
	return byte(&p->in) == 0xee;
}

/* What was still open when it was done. */
static void answer_late(struct play *p)
{
	struct sip_locate_action act;
	const struct sip_locations *found = sip_locate_result(p->l);
	struct sip_locations before = *found;
	answer_nothing(p);
	while (p->open_count > 0) {
		answer_one(p);
	}
	REQUIRE(!sip_locate_next(p->l, &act) && sip_locate_result(p->l) == found);
	REQUIRE(found->count == before.count && found->reason == before.reason && found->list == before.list);
}

static void make_query(struct input *in, struct sip_locate_query *q)
{
	static const char *const hosts[] = { "a.example", "A.EXAMPLE.", "192.0.2.9", "[2001:db8::9]", "localhost" };
	uint8_t flags = byte(in), n = byte(in);
	if ((n & 0xf0) == 0xf0) {
		q->host = name_of(in);
	} else {
		q->host = xfed_span_str(n < 0x80 ? hosts[0] : hosts[n % XFED_ARRAY_LEN(hosts)]);
	}
	q->has_transport = flags & 1;
	q->is_sips = (flags & 6) == 6;
	q->port = flags & 8 ? number(in) : 0;
	q->families = (enum sip_families)(flags >> 4 & 3);
	q->transport = (enum sip_transport)(byte(in) % SIP_TRANSPORT_COUNT);
	q->transport_count = flags & 0x80 ? byte(in) % 4u : 3;
	for (size_t i = 0; i < SIP_TRANSPORT_COUNT; i++) {
		q->transports[i] = (enum sip_transport)(byte(in) % SIP_TRANSPORT_COUNT);
	}
	if (n & 1) {
		q->tls_name = XFED_SPAN("a.example");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t seed = (uint32_t)size;
	struct xfed_env env = { .user = &seed, .random = input_random };
	struct sip_locate_query q = { 0 };
	struct play p = { .in = { data, size } };
	make_query(&p.in, &q);
	bool is_plain =
		xfed_span_eq_nocase(q.host, XFED_SPAN("a.example")) || xfed_span_eq_nocase(q.host, XFED_SPAN("a.example.")) || q.tls_name.data;
	int rc = sip_locate_new(&q, &env, &p.l);
	if (rc != XFED_OK) {
		REQUIRE(rc == XFED_ERR_INVALID && !p.l);
		return 0;
	}
	p.given = calloc(QUESTIONS_MAX * RECORDS, sizeof(*p.given));
	REQUIRE(p.given != NULL);
	bool is_done;
	while (!(is_done = drain(&p)) && !is_given_up(&p)) {
		answer_one(&p);
	}
	if (is_done && is_plain) {
		check_result(&p, &q);
	}
	if (is_done) {
		answer_late(&p);
	}
	free(p.given);
	sip_locate_free(p.l);
	return 0;
}
