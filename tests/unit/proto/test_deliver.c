/* What a frame says of its stanza is what the stanza says (proto/channel.md section 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/deliver.h"
#include "xfed/limits.h"

#define STANZA "<message xmlns='jabber:server' from='alice@a.example/x' to='bob@b.example' id='i1' type='chat' xml:lang='de'><body>x</body></message>"
#define BARE   "<message xmlns='jabber:server' from='alice@a.example/x' to='bob@b.example'><body>x</body></message>"

struct words {
	Xfed__Kind kind;
	const char *type, *id, *from, *to, *lang;
};

static bool agrees(const char *stanza, const struct words *w)
{
	struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	struct xfed_xml_reader *r = NULL;
	struct xfed_stanza s;
	Xfed__Deliver d = XFED__DELIVER__INIT;
	d.kind = w->kind;
	d.type = (char *)(uintptr_t)w->type;
	d.id = (char *)(uintptr_t)w->id;
	d.from = (char *)(uintptr_t)w->from;
	d.to = (char *)(uintptr_t)w->to;
	d.lang = (char *)(uintptr_t)w->lang;
	assert_int_equal(xfed_xml_reader_new_fragment(&limits, &r), XFED_OK);
	assert_int_equal(xfed_xml_reader_fragment(r, xfed_span_str(stanza)), XFED_XML_ELEMENT);
	assert_int_equal(xfed_stanza_view(xfed_xml_reader_arena(r), xfed_xml_reader_elem(r), &s), XFED_STANZA_OK);
	bool is = proto_deliver_agrees(&d, &s);
	xfed_xml_reader_free(r);
	return is;
}

static void every_word_is_compared(void **state)
{
	(void)state;
	static const struct {
		const char *name, *stanza;
		struct words w;
		bool agrees;
	} rows[] = {
#define KIND XFED__KIND__KIND_MESSAGE
#define FROM "alice@a.example/x"
#define TO   "bob@b.example"
		{ "the same", STANZA, { KIND, "chat", "i1", FROM, TO, "de" }, true },
		{ "kind", STANZA, { XFED__KIND__KIND_PRESENCE, "chat", "i1", FROM, TO, "de" }, false },
		{ "kind: an error", STANZA, { XFED__KIND__KIND_ERROR, "chat", "i1", FROM, TO, "de" }, false },
		{ "type", STANZA, { KIND, "groupchat", "i1", FROM, TO, "de" }, false },
		{ "type: none", STANZA, { KIND, "", "i1", FROM, TO, "de" }, false },
		{ "type: a prefix", STANZA, { KIND, "cha", "i1", FROM, TO, "de" }, false },
		{ "id", STANZA, { KIND, "chat", "i2", FROM, TO, "de" }, false },
		{ "id: none", STANZA, { KIND, "chat", "", FROM, TO, "de" }, false },
		{ "from", STANZA, { KIND, "chat", "i1", "alice@a.example", TO, "de" }, false },
		{ "to", STANZA, { KIND, "chat", "i1", FROM, "carol@b.example", "de" }, false },
		{ "lang", STANZA, { KIND, "chat", "i1", FROM, TO, "en" }, false },
		{ "lang: none, from a gateway of before", STANZA, { KIND, "chat", "i1", FROM, TO, "" }, true },
		{ "absent", BARE, { KIND, "", "", FROM, TO, "" }, true },
		{ "type that is not there", BARE, { KIND, "chat", "", FROM, TO, "" }, false },
		{ "id that is not there", BARE, { KIND, "", "i1", FROM, TO, "" }, false },
		{ "lang that is not there", BARE, { KIND, "", "", FROM, TO, "de" }, false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (agrees(rows[i].stanza, &rows[i].w) != rows[i].agrees) {
			fail_msg("%s: %s", rows[i].name, rows[i].agrees ? "refused" : "taken");
		}
	}
}

static void what_an_outbox_does_not_take_has_a_reason(void **state)
{
	(void)state;
	assert_int_equal(proto_outbox_refusal(XFED_ERR_TOO_LARGE, XFED_REASON_SIP_REQUEST_MALFORMED), XFED_REASON_DELIVERY_SIZE_EXCEEDED);
	assert_int_equal(proto_outbox_refusal(XFED_ERR_INVALID, XFED_REASON_SIP_REQUEST_MALFORMED), XFED_REASON_SIP_REQUEST_MALFORMED);
	assert_int_equal(proto_outbox_refusal(XFED_ERR_INVALID, XFED_REASON_XMPP_STANZA_INVALID), XFED_REASON_XMPP_STANZA_INVALID);
	assert_int_equal(proto_outbox_refusal(XFED_ERR_LIMIT, XFED_REASON_XMPP_STANZA_INVALID), XFED_REASON_DELIVERY_QUEUE_FULL);
	assert_int_equal(proto_outbox_refusal(XFED_ERR_NOMEM, XFED_REASON_XMPP_STANZA_INVALID), XFED_REASON_STREAM_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_is_compared),
		cmocka_unit_test(what_an_outbox_does_not_take_has_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
