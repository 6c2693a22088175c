#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "xfed/mem.h"

/* ---- elements ---- */

bool parse_behind(struct parsed *p, const char *header, struct xfed_span xml)
{
	static const struct xfed_xml_limits limits = { 65536, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	struct xfed_span input[] = { xfed_span_str(header), xml };
	enum xfed_xml_result expected[] = { XFED_XML_HEADER, XFED_XML_ELEMENT };
	*p = (struct parsed){ .reader = NULL };
	xfed_arena_init(&p->arena, 1 << 20);
	if (xfed_xml_reader_new(&limits, &p->reader) != XFED_OK) {
		return false;
	}
	for (size_t i = 0; i < 2; i++) {
		size_t at = 0, consumed;
		enum xfed_xml_result r = XFED_XML_MORE;
		for (; r == XFED_XML_MORE && at < input[i].len; at += consumed) {
			r = xfed_xml_reader_feed(p->reader, xfed_span_make(input[i].data + at, input[i].len - at), &consumed);
		}
		if (r == XFED_XML_NOMEM) {
			return false;
		}
		XFED_REQUIRE(r == expected[i] && at == input[i].len);
	}
	p->xml = xfed_xml_reader_elem(p->reader);
	int rc = xfed_dialback_read(&p->arena, p->xml, &p->elem);
	XFED_REQUIRE(rc == XFED_OK || rc == XFED_ERR_NOMEM);
	return rc == XFED_OK;
}

bool parse(struct parsed *p, const char *xml)
{
	return parse_behind(p, STREAM_HEADER, xfed_span_str(xml));
}

void parsed_free(struct parsed *p)
{
	xfed_xml_reader_free(p->reader);
	xfed_arena_deinit(&p->arena);
}

/* ---- actions ---- */

static void put(char *text, size_t size, const char *what, struct xfed_span s)
{
	size_t used = strlen(text);
	snprintf(text + used, size - used, "%s%.*s", what, (int)s.len, s.data ? s.data : "");
}

static void put_pair(char *text, size_t size, const char *what, const struct xfed_dialback_pair *p)
{
	put(text, size, what, p->sender_raw);
	put(text, size, ">", p->target_raw);
}

static void put_failed(char *text, size_t size, const struct xfed_dialback_action *a)
{
	put_pair(text, size, "failed ", &a->pair);
	put(text, size, " ", xfed_span_str(xfed_reason_code(a->reason)));
	put(text, size, " ", xfed_span_str(a->condition[0] ? a->condition : "-"));
	bool is_own = a->side == xfed_reason_info(a->reason)->side;
	put(text, size, is_own ? "" : " ", xfed_span_str(is_own ? "" : xfed_side_name(a->side)));
}

void note_action(char *text, size_t size, const struct xfed_dialback_action *a)
{
	char number[32];
	put(text, size, text[0] ? " | " : "", XFED_SPAN(""));
	switch (a->type) {
	case XFED_DIALBACK_DO_SEND:
		put(text, size, "", a->bytes);
		break;
	case XFED_DIALBACK_DO_ASK:
		snprintf(number, sizeof(number), "ask#%u ", (unsigned)a->token);
		put_pair(text, size, number, &a->pair);
		put(text, size, " ", a->stream_id);
		put(text, size, " ", a->key);
		break;
	case XFED_DIALBACK_DO_PROVED:
		put_pair(text, size, a->by_certificate ? "certified " : "proved ", &a->pair);
		break;
	case XFED_DIALBACK_DO_CLOSE:
		put(text, size, "close ", xfed_span_str(xfed_reason_code(a->reason)));
		break;
	case XFED_DIALBACK_DO_READY:
		put_pair(text, size, "ready ", &a->pair);
		break;
	case XFED_DIALBACK_DO_FAILED:
		put_failed(text, size, a);
		break;
	case XFED_DIALBACK_DO_VERDICT:
		snprintf(number, sizeof(number), "verdict %u#%u ", (unsigned)a->origin, (unsigned)a->token);
		put_pair(text, size, number, &a->pair);
		put(text, size, " ", a->stream_id);
		put(text, size, " ", xfed_span_str(xfed_dialback_verdict_word(a->verdict)));
		break;
	}
}

/* ---- memory ---- */

static size_t countdown, live;
static bool hit;

static bool fails(void)
{
	if (countdown > 0 && --countdown == 0) {
		hit = true;
		return true;
	}
	return false;
}

static void *failing_malloc(size_t size)
{
	void *p = fails() ? NULL : malloc(size);
	live += p != NULL;
	return p;
}

static void *failing_realloc(void *p, size_t size)
{
	if (!p) {
		return failing_malloc(size);
	}
	return fails() ? NULL : realloc(p, size);
}

static void failing_free(void *p)
{
	live -= p != NULL;
	free(p);
}

void failing_arm(size_t nth)
{
	countdown = nth;
	hit = false;
}

bool failing_hit(void)
{
	return hit;
}

size_t failing_live(void)
{
	return live;
}

void failing_install(void)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, failing_free };
	live = 0;
	xfed_mem_set_hooks(&hooks);
}

void failing_remove(void)
{
	failing_arm(0);
	xfed_mem_set_hooks(NULL);
}
