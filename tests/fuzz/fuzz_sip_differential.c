/*
 * Two readers of one message: ours (sip/message.h) and libosipparser2's. Where both take the start line and the fields that
 * identify a message (Via, From, To, Call-ID, CSeq; of dialogs also Contact, Route, Record-Route), they read the same identity
 * out of them: Call-ID, CSeq, tags, top sent-by and branch, number of Vias. Two readings of one message are how filters are
 * passed by. What only one of them takes is no finding: osip knows no blanks in some places and lets pass what RFC 4475 refuses.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>

#include "sip/lex.h"
#include "sip/message.h"
#include "xfed/arena.h"
#include "xfed/mem.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of a Request-URI of another scheme, which osip refuses and the caller answers with 416.
 */
#define STAND_IN_URI "sip:stand-in.invalid"

/* osip writes what it refuses to standard error unless its trace has a taker: the note in struct
 * sip_error is ours. */
static void drop_trace(const char *file, int line, osip_trace_level_t level, const char *format, va_list ap)
{
}

/*
 * osip allocates out of an arena that lives for one message: it loses pieces where an allocation
 * fails, takes no limit, and freeing its lists one by one costs as much as parsing.
 */
#define ARENA_BYTES (512 * 1024)

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
		const struct piece *was = (const struct piece *)((char *)old - offsetof(struct piece, mem));
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
	return id == SIP_HEADER_VIA || id == SIP_HEADER_FROM || id == SIP_HEADER_TO || id == SIP_HEADER_CALL_ID || id == SIP_HEADER_CSEQ ||
	       id == SIP_HEADER_CONTACT || id == SIP_HEADER_ROUTE || id == SIP_HEADER_RECORD_ROUTE;
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
		char code[] = { (char)('0' + m->status / 100), (char)('0' + m->status / 10 % 10), (char)('0' + m->status % 10) };
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

#define PIECES_MAX 512 /* osip keeps parameters and list elements in lists that it walks from the front for every addition */

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
			size += strlen(sip_header_name(m->headers[i].id)) + m->headers[i].value.len + 4;
			pieces += count_pieces(m->headers[i].value);
		}
	}
	if (pieces > PIECES_MAX) {
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
	if (!via || (size_t)osip_list_size(&osip->vias) != m->via_count || !same(m->via.host, via->host)) {
		return false;
	}
	osip_generic_param_get_byname(&via->via_params, name, &branch);
	uint64_t port = 0;
	bool port_fine = !via->port || sip_number(xfed_span_str(via->port), 65535, &port);
	return same(m->via.branch, branch ? branch->gvalue : NULL) && port_fine && port == m->via.port;
}

static bool agrees(const struct sip_message *m, osip_message_t *osip)
{
	return same_call_id(m->call_id, osip->call_id) && same_cseq(m, osip->cseq) && same_tag(m->from.tag, osip->from) &&
	       same_tag(m->to.tag, (osip_from_t *)osip->to) && same_via(m, osip);
}

static void compare(const struct sip_message *m, const struct text *text)
{
	osip_message_t *osip = NULL;
	bool taken = osip_message_init(&osip) == OSIP_SUCCESS && osip_message_parse(osip, text->mem, text->len) == OSIP_SUCCESS;
	MUST(arena_failed || !taken || agrees(m, osip));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sip_message *m;
	struct sip_error err;
	struct text text;
	struct xfed_arena pieces;
	start_osip();
	int rc = sip_message_parse(xfed_span_make(data, size), SIP_PARSE_DATAGRAM, &m, &err);
	if (rc == XFED_OK && build_text(m, &text) == XFED_OK) {
		xfed_arena_init(&pieces, ARENA_BYTES);
		arena = &pieces;
		arena_failed = false;
		compare(m, &text);
		arena = NULL;
		xfed_arena_deinit(&pieces);
		xfed_free(text.mem);
	}
	sip_message_free(m);
	return 0;
}
