#include "sip/grammar.h"

#include <stdarg.h>
#include <stddef.h>

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>

#include "sip/chars.h"
#include "sip/lex.h"
#include "xfed/arena.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

/* In place of a Request-URI of another scheme, which osip refuses and the caller answers with 416.
 */
#define STAND_IN_URI "sip:stand-in.invalid"

/* osip writes what it refuses to standard error unless its trace has a taker: the note in struct
 * sip_error is ours. */
static void drop_trace(
	const char *file, int line, osip_trace_level_t level, const char *format, va_list ap)
{
}

/*
 * osip allocates out of an arena that lives for one message: it loses pieces where an allocation
 * fails, takes no limit, and freeing its lists one by one costs as much as parsing.
 */
#define ARENA_BYTES (512 * 1024)
#define PLAIN_PIECES_MAX 32 /* parameters of a message that is still plain */

static _Thread_local struct xfed_arena *arena;
static _Thread_local bool arena_failed;

struct piece {
	size_t size;
	_Alignas(max_align_t) char mem[];
};

static void *osip_alloc(size_t size)
{
	struct piece *p = size < ARENA_BYTES ? xfed_arena_alloc(arena, sizeof(*p) + size) : NULL;
	if (!p) {
		arena_failed = true;
		return NULL;
	}
	p->size = size;
	return p->mem;
}

static void osip_release(void *p)
{
}

static void *osip_resize(void *old, size_t size)
{
	void *p = osip_alloc(size);
	if (p && old) {
		const struct piece *was =
			(const struct piece *)((char *)old - offsetof(struct piece, mem));
		memcpy(p, old, was->size < size ? was->size : size);
	}
	return p;
}

static void start_osip(void)
{
	static bool is_started;
	if (is_started) {
		return;
	}
	osip_set_allocators(osip_alloc, osip_resize, osip_release);
	osip_trace_initialize_func(TRACE_LEVEL0, drop_trace);
	for (int level = TRACE_LEVEL0; level < END_TRACE_LEVEL; level++) {
		osip_trace_disable_level((osip_trace_level_t)level);
	}
	parser_init();
	is_started = true;
}

static bool is_judged(enum sip_header_id id)
{
	return id == SIP_HEADER_VIA || id == SIP_HEADER_FROM || id == SIP_HEADER_TO ||
	       id == SIP_HEADER_CALL_ID || id == SIP_HEADER_CSEQ || id == SIP_HEADER_CONTACT ||
	       id == SIP_HEADER_ROUTE || id == SIP_HEADER_RECORD_ROUTE;
}

struct text {
	char *mem;
	size_t len;
};

static void add(struct text *t, struct xfed_span s)
{
	if (s.len > 0) {
		memcpy(t->mem + t->len, s.data, s.len);
	}
	t->len += s.len;
}

/* A value; the NUL of a quoted pair would end it for osip, and a display name of UTF-8 without
 * quotes is common. */
static void add_value(struct text *t, struct xfed_span s)
{
	size_t from = t->len;
	add(t, s);
	for (size_t i = from; i < t->len; i++) {
		if (t->mem[i] == '\0' || (unsigned char)t->mem[i] > 0x7f) {
			t->mem[i] = 'x';
		}
	}
}

static void add_start_line(struct text *t, const struct sip_message *m)
{
	if (!m->is_request) {
		char code[] = { (char)('0' + m->status / 100), (char)('0' + m->status / 10 % 10),
			(char)('0' + m->status % 10) };
		add(t, XFED_SPAN("SIP/2.0 "));
		add(t, xfed_span_make(code, sizeof(code)));
		add(t, XFED_SPAN(" x\r\n"));
		return;
	}
	add(t, m->method);
	add(t, XFED_SPAN(" "));
	add(t, m->uri.is_sip ? m->request_uri : XFED_SPAN(STAND_IN_URI));
	add(t, XFED_SPAN(" SIP/2.0\r\n"));
}

/* osip keeps parameters and list elements in lists that it walks from the front for every addition.
 */
static size_t count_pieces(struct xfed_span s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		n += s.data[i] == ';' || s.data[i] == ',' || s.data[i] == '&';
	}
	return n;
}

static int build_text(const struct sip_message *m, struct text *t)
{
	size_t size = m->method.len + m->request_uri.len + sizeof(STAND_IN_URI) + 32;
	size_t pieces = count_pieces(m->request_uri);
	for (size_t i = 0; i < m->header_count; i++) {
		if (is_judged(m->headers[i].id)) {
			size += strlen(sip_header_name(m->headers[i].id)) +
				m->headers[i].value.len + 4;
			pieces += count_pieces(m->headers[i].value);
		}
	}
	if (pieces > XFED_SIP_PARAMS_MAX) {
		return XFED_ERR_INVALID;
	}
	t->len = 0;
	t->mem = xfed_malloc(size + 1);
	if (!t->mem) {
		return XFED_ERR_NOMEM;
	}
	add_start_line(t, m);
	for (size_t i = 0; i < m->header_count; i++) {
		if (is_judged(m->headers[i].id)) {
			add(t, xfed_span_str(sip_header_name(m->headers[i].id)));
			add(t, XFED_SPAN(": "));
			add_value(t, m->headers[i].value);
			add(t, XFED_SPAN("\r\n"));
		}
	}
	add(t, XFED_SPAN("\r\n"));
	t->mem[t->len] = '\0';
	return XFED_OK;
}

static bool same(struct xfed_span ours, const char *theirs)
{
	return theirs ? xfed_span_is(ours, theirs) : ours.data == NULL;
}

static bool same_call_id(struct xfed_span ours, const osip_call_id_t *id)
{
	if (!id || !id->number) {
		return false;
	}
	size_t n = strlen(id->number), h = id->host ? strlen(id->host) + 1 : 0;
	return ours.len == n + h && memcmp(ours.data, id->number, n) == 0 &&
	       (h == 0 || (ours.data[n] == '@' && memcmp(ours.data + n + 1, id->host, h - 1) == 0));
}

static bool same_cseq(const struct sip_message *m, const osip_cseq_t *cseq)
{
	uint64_t number;
	return cseq && cseq->number && cseq->method && same(m->cseq_method, cseq->method) &&
	       sip_number(xfed_span_str(cseq->number), UINT32_MAX, &number) && number == m->cseq;
}

static bool same_tag(struct xfed_span tag, osip_from_t *field)
{
	static char name[] = "tag";
	osip_generic_param_t *param = NULL;
	if (!field) {
		return false;
	}
	osip_generic_param_get_byname(&field->gen_params, name, &param);
	return same(tag, param ? param->gvalue : NULL);
}

static bool same_via(const struct sip_message *m, osip_message_t *osip)
{
	static char name[] = "branch";
	osip_via_t *via = osip_list_get(&osip->vias, 0);
	osip_generic_param_t *branch = NULL;
	if (!via || (size_t)osip_list_size(&osip->vias) != m->via_count ||
		!same(m->via.host, via->host)) {
		return false;
	}
	osip_generic_param_get_byname(&via->via_params, name, &branch);
	uint64_t port = 0;
	bool port_fine = !via->port || sip_number(xfed_span_str(via->port), 65535, &port);
	return same(m->via.branch, branch ? branch->gvalue : NULL) && port_fine &&
	       port == m->via.port;
}

static bool agrees(const struct sip_message *m, osip_message_t *osip)
{
	return same_call_id(m->call_id, osip->call_id) && same_cseq(m, osip->cseq) &&
	       same_tag(m->from.tag, osip->from) && same_tag(m->to.tag, (osip_from_t *)osip->to) &&
	       same_via(m, osip);
}

static int judge(const struct sip_message *m, const struct text *text)
{
	osip_message_t *osip = NULL;
	bool fine = osip_message_init(&osip) == OSIP_SUCCESS &&
		    osip_message_parse(osip, text->mem, text->len) == OSIP_SUCCESS &&
		    agrees(m, osip);
	/* What osip says after an allocation has failed means nothing. */
	if (arena_failed) {
		return XFED_ERR_NOMEM;
	}
	return fine ? XFED_OK : XFED_ERR_INVALID;
}

/* Of this very spelling: nothing is guessed here. */
static bool is_sip_uri(struct xfed_span uri)
{
	return uri.len > 5 && memcmp(uri.data, "sip:", 4) == 0; /* the judge takes a host of one letter for none */
}

/* Where there is an "@" in a Call-ID, something stands before and behind it. */
static bool has_two_sides(struct xfed_span call_id)
{
	return call_id.len > 0 && call_id.data[0] != '@' && call_id.data[call_id.len - 1] != '@';
}

static bool is_of_version_2(struct xfed_span via)
{
	const struct xfed_span protocol = XFED_SPAN("SIP/2.0/");
	return via.len > protocol.len && memcmp(via.data, protocol.data, protocol.len) == 0;
}

static bool is_route(enum sip_header_id id)
{
	return id == SIP_HEADER_CONTACT || id == SIP_HEADER_ROUTE || id == SIP_HEADER_RECORD_ROUTE;
}

static bool is_plain_text(struct xfed_span s, size_t *pieces)
{
	const struct sip_set plain = {
		SIP_DIGITS | SIP_BIT(' ') | SIP_BIT('-') | SIP_BIT('.') | SIP_BIT('+') | SIP_BIT(':') | SIP_BIT(';') | SIP_BIT('=') | SIP_BIT('<') |
			SIP_BIT('>') | SIP_BIT('/'),
		SIP_LETTERS | SIP_BIT('_') | SIP_BIT('~') | SIP_BIT('@')
	};
	for (size_t i = 0; i < s.len; i++) {
		bool has_empty_password = s.data[i] == '@' && i > 0 && s.data[i - 1] == ':'; /* the judge knows none */
		if (has_empty_password || !sip_set_has(plain, (unsigned char)s.data[i])) {
			return false;
		}
		*pieces += s.data[i] == ';';
	}
	return true;
}

bool sip_grammar_is_plain(const struct sip_message *m)
{
	size_t pieces = 0;
	bool is_plain = is_sip_uri(m->from.uri) && is_sip_uri(m->to.uri) && has_two_sides(m->call_id) &&
			(!m->is_request || (is_sip_uri(m->request_uri) && is_plain_text(m->request_uri, &pieces)));
	for (size_t i = 0; is_plain && i < m->header_count; i++) {
		enum sip_header_id id = m->headers[i].id;
		is_plain = !is_judged(id) || (!is_route(id) && (id != SIP_HEADER_VIA || is_of_version_2(m->headers[i].value)) &&
						     is_plain_text(m->headers[i].value, &pieces));
	}
	return is_plain && pieces <= PLAIN_PIECES_MAX;
}

int sip_grammar_check(const struct sip_message *m)
{
	return sip_grammar_is_plain(m) ? XFED_OK : sip_grammar_judge(m);
}

int sip_grammar_judge(const struct sip_message *m)
{
	struct xfed_arena pieces;
	struct text text;
	start_osip();
	int rc = build_text(m, &text);
	if (rc != XFED_OK) {
		return rc;
	}
	xfed_arena_init(&pieces, ARENA_BYTES);
	arena = &pieces;
	arena_failed = false;
	rc = judge(m, &text);
	arena = NULL;
	xfed_arena_deinit(&pieces);
	xfed_free(text.mem);
	return rc;
}
