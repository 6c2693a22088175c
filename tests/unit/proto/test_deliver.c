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

#define KIND XFED__KIND__KIND_MESSAGE
#define FROM "alice@a.example/x"
#define TO   "bob@b.example"

struct words {
	Xfed__Kind kind;
	const char *type, *id, *from, *to, *lang;
};

static enum xfed_reason read_again(const char *stanza, const struct words *w)
{
	struct xfed_xml_reader *r = NULL;
	struct xfed_stanza s;
	Xfed__Deliver d = XFED__DELIVER__INIT;
	d.kind = w->kind;
	d.type = (char *)(uintptr_t)w->type;
	d.id = (char *)(uintptr_t)w->id;
	d.from = (char *)(uintptr_t)w->from;
	d.to = (char *)(uintptr_t)w->to;
	d.lang = (char *)(uintptr_t)w->lang;
	d.stanza = (ProtobufCBinaryData){ strlen(stanza), (uint8_t *)(uintptr_t)stanza };
	enum xfed_reason reason = proto_deliver_read(&r, &d, &s);
	xfed_xml_reader_free(r);
	return reason;
}

static void every_word_is_compared(void **state)
{
	(void)state;
	static const struct {
		const char *name, *stanza;
		struct words w;
		bool agrees;
	} rows[] = {
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
		enum xfed_reason reason = read_again(rows[i].stanza, &rows[i].w);
		if (reason != (rows[i].agrees ? XFED_REASON_NONE : XFED_REASON_XMPP_STANZA_INVALID)) {
			fail_msg("%s: %s", rows[i].name, xfed_reason_code(reason));
		}
	}
}

static void what_is_no_stanza_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *stanza;
		enum xfed_reason reason;
	} rows[] = {
		{ "", XFED_REASON_XMPP_STANZA_INVALID },
		{ "<message", XFED_REASON_XMPP_STANZA_INVALID },
		{ STANZA STANZA, XFED_REASON_XMPP_STANZA_INVALID },
		{ "<!DOCTYPE x><message xmlns='jabber:server'/>", XFED_REASON_XMPP_STANZA_INVALID },
		{ "<message xmlns='jabber:client' from='" FROM "' to='" TO "' id='i1' type='chat' xml:lang='de'/>", XFED_REASON_XMPP_STANZA_INVALID },
		{ "<iq xmlns='jabber:server' from='" FROM "' to='" TO "' id='i1' type='get'/>", XFED_REASON_XMPP_STANZA_INVALID },
		{ "<message xmlns='jabber:server' from='" FROM "' to='@b.example' id='i1'/>", XFED_REASON_XMPP_ADDRESS_MALFORMED },
	};
	const struct words w = { KIND, "chat", "i1", FROM, TO, "de" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		enum xfed_reason reason = read_again(rows[i].stanza, &w);
		if (reason != rows[i].reason) {
			fail_msg("%s: %s", rows[i].stanza, xfed_reason_code(reason));
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
		cmocka_unit_test(what_is_no_stanza_is_refused),
		cmocka_unit_test(what_an_outbox_does_not_take_has_a_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
