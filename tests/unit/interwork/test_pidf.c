/* Presence documents: RFC 3863, RFC 4479, RFC 4480, RFC 8048 section 6; [B5-08] to [B5-17]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/pidf.h"
#include "model.h"
#include "xfed/mem.h"

static const struct xfed_span none = { NULL, 0 };
static struct xfed_arena arena;

static int setup(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 16 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	return 0;
}

#define DECL "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS                                                                                                                                           \
	"xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' "          \
	"entity='pres:a@x'"
#define DOC(inside) DECL "<presence " NS ">" inside "</presence>"
#define T(inside)   DOC("<tuple id='t'>" inside "</tuple>")
#define OPEN	    "<status><basic>open</basic></status>"
#define LYNC(inside)                                                                                                                                 \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "                                                 \
	"xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" "                                \
	"entity=\"sip:alice@corp.example\"><tuple id=\"0\"><status>" inside "<ci:display-name>Alice</ci:display-name></presence>"

static const struct row {
	const char *name, *in;
	enum iw_pidf_result result;
	const char *model;
} rows[] = {
	/* what others send */
	{ "baresip",
		"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"\r\n"
		"    xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"\r\n    xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"\r\n"
		"    entity=\"sip:a@x\">\r\n  <dm:person id=\"p4159\"><rpid:activities/></dm:person>\r\n  <tuple id=\"t4109\">\r\n    <status>\r\n"
		"      <basic>open</basic>\r\n    </status>\r\n    <contact>sip:a@x</contact>\r\n  </tuple>\r\n</presence>\r\n",
		IW_PIDF_OK, "[t4109] open" },
	{ "baresip that does not know", T("<status><basic>?</basic></status>"), IW_PIDF_OK, "" },
	{ "Kamailio, namespaces again in every element",
		"<?xml version=\"1.0\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
		"xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" xmlns:c=\"urn:ietf:params:xml:ns:pidf:cipid\" entity=\"sip:a@x\"> \n"
		"<tuple xmlns=\"urn:ietf:params:xml:ns:pidf\" id=\"615293b33c62dec073e05d9421e9f48b\"><status><basic>open</basic></status></tuple>"
		"<note xmlns=\"urn:ietf:params:xml:ns:pidf\">Available</note><dm:person xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
		"xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" id=\"1\"><rpid:activities/><dm:note>Available</dm:note></dm:person></presence>\n",
		IW_PIDF_OK, "[615293b33c62dec073e05d9421e9f48b] open; person 'Available'" },
	{ "LCS and Lync, open", LYNC("<basic>open</basic></status></tuple>"), IW_PIDF_OK, "[0] open" },
	{ "LCS and Lync, closed", LYNC("<basic>closed</basic></status></tuple>"), IW_PIDF_OK, "[0] closed" },
	{ "LCS and Lync, busy with a note",
		LYNC("<basic>open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities></status></tuple><note>no calls</note>"),
		IW_PIDF_OK, "[0] open busy; person 'no calls'" },
	{ "a namespace of RPID's drafts",
		DOC("<tuple id='1'>" OPEN "</tuple><dm:person xmlns:e='urn:ietf:params:xml:ns:pidf:status:rpid'>"
		    "<e:activities><e:on-the-phone/></e:activities></dm:person>"),
		IW_PIDF_OK, "[1] open; person on-the-phone" },
	{ "the example of RFC 4480",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
		"xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:lt=\"urn:ietf:params:xml:ns:location-type\" "
		"xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"pres:someone@example.com\">\n"
		"<tuple id=\"bs35r9\"><status><basic>open</basic></status><dm:deviceID>urn:device:0003ba4811e3</dm:deviceID>"
		"<rpid:relationship><rpid:self/></rpid:relationship><rpid:service-class><rpid:electronic/></rpid:service-class>"
		"<contact priority=\"0.8\">im:someone@mobile.example.net</contact><note xml:lang=\"en\">Don't Disturb Please!</note>"
		"<note xml:lang=\"fr\">Ne derangez pas, s'il vous plait</note><timestamp>2005-10-27T16:49:29Z</timestamp></tuple>\n"
		"<tuple id=\"ty4658\"><status><basic>open</basic></status><rpid:relationship><rpid:assistant/></rpid:relationship>"
		"<contact priority=\"1.0\">mailto:secretary@example.com</contact></tuple>\n<note>I'll be in Tokyo next week</note>\n"
		"<dm:device id=\"pc147\"><rpid:user-input idle-threshold=\"600\" last-input=\"2004-10-21T13:20:00-05:00\">idle</rpid:user-input>"
		"<dm:deviceID>urn:device:0003ba4811e3</dm:deviceID><dm:note>PC</dm:note></dm:device>\n"
		"<dm:person id=\"p1\"><rpid:activities from=\"2005-05-30T12:00:00+05:00\" until=\"2005-05-30T17:00:00+05:00\">"
		"<rpid:note>Far away</rpid:note><rpid:away/></rpid:activities><rpid:class>calendar</rpid:class>"
		"<rpid:place-type><lt:residence/></rpid:place-type><rpid:sphere>bowling league</rpid:sphere><dm:note>Scoring 120</dm:note>"
		"<dm:timestamp>2005-05-30T16:09:44+05:00</dm:timestamp></dm:person></presence>",
		IW_PIDF_OK,
		"[bs35r9] open prio=102 at=1130431769 'Don't Disturb Please!'@en 'Ne derangez pas, s'il vous plait'@fr; [ty4658] open prio=127; "
		"person away 'I'll be in Tokyo next week'" },
	{ "prefixes everywhere (RFC 3863 section 4.3.3)",
		DECL
		"<impp:presence xmlns:impp='urn:ietf:params:xml:ns:pidf' xmlns:my='urn:my' entity='pres:a@x'><impp:tuple id='sg89ae'><impp:status>"
		"<impp:basic>open</impp:basic><my:ex impp:mustUnderstand='1'>v</my:ex></impp:status><impp:contact priority='0.725'>tel:+09012345678"
		"</impp:contact></impp:tuple><my:mytag>x</my:mytag></impp:presence>",
		IW_PIDF_OK, "[sg89ae] open prio=93" },
	/* tuples */
	{ "no tuple", DOC(""), IW_PIDF_OK, "" },
	{ "no tuple in a root that closes itself", DECL "<presence " NS "/>", IW_PIDF_OK, "" },
	{ "a note and no tuple", DOC("<note>x</note>"), IW_PIDF_OK, "person 'x'" },
	{ "no status", T(""), IW_PIDF_OK, "" },
	{ "no basic", T("<status><x xmlns='urn:x'/></status>"), IW_PIDF_OK, "" },
	{ "basic outside of status", T("<basic>open</basic>"), IW_PIDF_OK, "" },
	{ "basic of another namespace", T("<status><basic xmlns='urn:x'>open</basic></status>"), IW_PIDF_OK, "" },
	{ "blanks and a comment in basic", T("<status><basic>\n o<!-- -->pen </basic></status>"), IW_PIDF_OK, "[t] open" },
	{ "basic with letters", T("<status><basic>OPEN</basic></status>"), IW_PIDF_OK, "[t] open" },
	{ "one tuple of two ignored", DOC("<tuple id='a'/><tuple id='b'>" OPEN "</tuple>"), IW_PIDF_OK, "[b] open" },
	{ "no id", DOC("<tuple>" OPEN "</tuple>"), IW_PIDF_OK, "[] open" },
	{ "an id of ours", DOC("<tuple id='ID-a_2fb_20c'>" OPEN "</tuple>"), IW_PIDF_OK, "[a/b c] open" },
	{ "one id, closed and open", DOC("<tuple id='a'><status><basic>closed</basic></status></tuple><tuple id='a'>" OPEN "</tuple>"), IW_PIDF_OK,
		"[a] open" },
	{ "one id, open and closed", DOC("<tuple id='a'>" OPEN "</tuple><tuple id='a'><status><basic>closed</basic></status></tuple>"), IW_PIDF_OK,
		"[a] open" },
	{ "five tuples",
		DOC("<tuple id='a'>" OPEN "</tuple><tuple id='b'>" OPEN "</tuple><tuple id='c'>" OPEN "</tuple><tuple id='d'>" OPEN
		    "</tuple><tuple id='e'>" OPEN "</tuple>"),
		IW_PIDF_OK, "[a] open; [b] open; [c] open; [d] open; [e] open" },
	{ "everything in a tuple",
		T("<status><basic>open</basic><show xmlns='jabber:client'> xa </show></status><r:user-input last-input='2001-09-09T01:45:00Z'> idle "
		  "</r:user-input><contact priority='0.102'>sip:x</contact><note>n</note><timestamp>2001-09-09T01:46:40Z</timestamp>"),
		IW_PIDF_OK, "[t] open show=xa prio=13 idle=999999900 at=1000000000 'n'" },
	{ "closed says no more than why",
		T("<status><basic>closed</basic><show xmlns='jabber:client'>dnd</show></status><r:user-input last-input='2001-09-09T01:45:00Z'>idle"
		  "</r:user-input><r:activities><r:busy/></r:activities><contact priority='1'>sip:x</contact><note>gone</note>"),
		IW_PIDF_OK, "[t] closed 'gone'" },
	{ "show that is none", T("<status><basic>open</basic><show xmlns='jabber:client'>busy</show></status>"), IW_PIDF_OK, "[t] open" },
	{ "show of PIDF's namespace", T("<status><basic>open</basic><show>dnd</show></status>"), IW_PIDF_OK, "[t] open" },
	{ "in use", T(OPEN "<r:user-input last-input='2001-09-09T01:45:00Z'>active</r:user-input>"), IW_PIDF_OK, "[t] open" },
	{ "idle, not said since when", T(OPEN "<r:user-input>idle</r:user-input>"), IW_PIDF_OK, "[t] open" },
	{ "times that cannot be written again",
		T(OPEN "<r:user-input last-input='9999-12-31T23:59:59-01:00'>idle</r:user-input><timestamp>1970-01-01T00:00:00Z</timestamp>"),
		IW_PIDF_OK, "[t] open" },
	{ "a timestamp that is none", T(OPEN "<timestamp>now</timestamp>"), IW_PIDF_OK, "[t] open" },
	/* activities */
	{ "of a person", DOC("<tuple id='t'>" OPEN "</tuple><dm:person id='p'><r:activities><r:away/><r:lunch/></r:activities></dm:person>"),
		IW_PIDF_OK, "[t] open; person away lunch" },
	{ "of two persons",
		DOC("<dm:person id='p'><r:activities><r:away/></r:activities></dm:person>"
		    "<dm:person id='q'><r:activities><r:tv/></r:activities></dm:person>"),
		IW_PIDF_OK, "person away tv" },
	{ "in the tuple", T(OPEN "<r:activities><r:meeting/></r:activities>"), IW_PIDF_OK, "[t] open meeting" },
	{ "in the status", T("<status><basic>open</basic><r:activities><r:busy/></r:activities></status>"), IW_PIDF_OK, "[t] open busy" },
	{ "unknown ones", T(OPEN "<r:activities><r:other>juggling</r:other><r:dancing/><r:unknown/>x<busy xmlns='urn:x'/></r:activities>"),
		IW_PIDF_OK, "[t] open" },
	{ "elsewhere", T(OPEN "<x xmlns='urn:x'><r:activities><r:busy/></r:activities></x>"), IW_PIDF_OK, "[t] open" },
	{ "with what must be understood and is not",
		DOC("<tuple id='t' xmlns:p='urn:ietf:params:xml:ns:pidf'><status><basic>open</basic><r:activities><r:busy/><x xmlns='urn:x' "
		    "p:mustUnderstand='true'/></r:activities></status></tuple>"),
		IW_PIDF_OK, "[t] open" },
	{ "with what need not be understood",
		DOC("<tuple id='t' xmlns:p='urn:ietf:params:xml:ns:pidf'><status><basic>open</basic><r:activities><r:busy/><x xmlns='urn:x' "
		    "p:mustUnderstand='0'/></r:activities></status></tuple>"),
		IW_PIDF_OK, "[t] open busy" },
	{ "it means nothing outside of a status",
		DOC("<tuple id='t' xmlns:p='urn:ietf:params:xml:ns:pidf'>" OPEN
		    "<r:activities><r:busy/><x xmlns='urn:x' p:mustUnderstand='1'/></r:activities>"
		    "<y xmlns='urn:x' p:mustUnderstand='1'/></tuple>"),
		IW_PIDF_OK, "[t] open busy" },
	{ "idle of a person", DOC("<dm:person id='p'><r:user-input last-input='2001-09-09T01:45:00Z'>idle</r:user-input></dm:person>"), IW_PIDF_OK,
		"person idle=999999900" },
	/* notes */
	{ "languages are inherited",
		DECL "<presence xmlns='urn:ietf:params:xml:ns:pidf' xml:lang='en'><tuple id='t' xml:lang='de'>" OPEN
		     "<note>a</note><note xml:lang='fr'>b</note></tuple><note>c</note></presence>",
		IW_PIDF_OK, "[t] open 'a'@de 'b'@fr; person 'c'@en" },
	{ "text", T(OPEN "<note> a &amp; <![CDATA[<b>]]>&#x20AC;\xc3\xa4\n</note>"), IW_PIDF_OK, "[t] open 'a & <b>\xe2\x82\xac\xc3\xa4'" },
	{ "elements in a note", T(OPEN "<note>a<b>c</b>d</note>"), IW_PIDF_OK, "[t] open 'ad'" },
	{ "one language twice", T(OPEN "<note>a</note><note>b</note>"), IW_PIDF_OK, "[t] open 'a'" },
	/* what is refused */
	{ "nothing", "", IW_PIDF_MALFORMED, NULL },
	{ "text", "presence", IW_PIDF_MALFORMED, NULL },
	{ "half", DECL "<presence " NS "><tuple id='t'>" OPEN "</tuple>", IW_PIDF_MALFORMED, NULL },
	{ "something behind", DOC("") "<x/>", IW_PIDF_MALFORMED, NULL },
	{ "text between tuples", DOC("x"), IW_PIDF_MALFORMED, NULL },
	{ "the wrong end", T("</status>"), IW_PIDF_MALFORMED, NULL },
	{ "unbound prefix", DOC("<q:x/>"), IW_PIDF_MALFORMED, NULL },
	{ "no namespace", "<presence entity='pres:a@x'><tuple id='a'/></presence>", IW_PIDF_FOREIGN, NULL },
	{ "another root", "<tuple xmlns='urn:ietf:params:xml:ns:pidf' id='a'/>", IW_PIDF_FOREIGN, NULL },
	{ "xpidf", "<?xml version=\"1.0\"?><presence><presentity uri='sip:a@x;method=SUBSCRIBE'/></presence>", IW_PIDF_FOREIGN, NULL },
	{ "xpidf as it is sent", "<?xml version=\"1.0\"?><!DOCTYPE presence PUBLIC \"-//IETF//DTD RFCxxxx XPIDF 1.0//EN\" \"xpidf.dtd\"><presence/>",
		IW_PIDF_RESTRICTED, NULL },
	{ "DTD with entities",
		DECL "<!DOCTYPE presence [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><presence " NS "><note>&b;</note></presence>",
		IW_PIDF_RESTRICTED, NULL },
	{ "an external entity", DECL "<!DOCTYPE p [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><p>&x;</p>", IW_PIDF_RESTRICTED, NULL },
	{ "entity", DOC("<note>&nbsp;</note>"), IW_PIDF_RESTRICTED, NULL },
	{ "PI", DOC("<?php x ?>"), IW_PIDF_RESTRICTED, NULL },
	{ "stylesheet", DECL "<?xml-stylesheet href='x'?><presence " NS "/>", IW_PIDF_RESTRICTED, NULL },
	{ "ISO-8859-1, as FreeSWITCH declares", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?> \n<presence " NS "/>", IW_PIDF_ENCODING, NULL },
	{ "broken UTF-8", DOC("<note>\xe4 </note>"), IW_PIDF_ENCODING, NULL },
	{ "UTF-16", "\xff\xfe<", IW_PIDF_ENCODING, NULL },
	{ "UTF-8 with a mark", "\xef\xbb\xbf" T(OPEN), IW_PIDF_OK, "[t] open" },
	{ "two marks", "\xef\xbb\xbf\xef\xbb\xbf" T(OPEN), IW_PIDF_ENCODING, NULL },
};

static enum iw_pidf_result read_one(const char *name, struct xfed_span in, const char *model)
{
	struct iw_presence p;
	struct xfed_buf got;
	enum iw_pidf_result r = iw_pidf_read(&arena, in, none, &p);
	xfed_buf_init(&got, 1024 * 1024);
	model_presence(&got, &p);
	if (model && !xfed_span_is(xfed_buf_span(&got), model)) {
		fail_msg("%s: %.*s", name, (int)xfed_buf_len(&got), xfed_buf_span(&got).data);
	}
	assert_true(r == IW_PIDF_OK || (p.count == 0 && !p.devices && !p.entity.data));
	xfed_buf_deinit(&got);
	return r;
}

static void documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		enum iw_pidf_result r = read_one(rows[i].name, xfed_span_str(rows[i].in), rows[i].model);
		if (r != rows[i].result) {
			fail_msg("%s: result %d", rows[i].name, (int)r);
		}
		xfed_arena_reset(&arena);
	}
}

/* Content-Language is the last to be asked. */
static void languages(void **state)
{
	(void)state;
	static const struct {
		const char *in, *language, *model;
	} cases[] = {
		{ "<presence " NS "><note>a</note></presence>", "de", "person 'a'@de" },
		{ "<presence " NS "><note xml:lang='fr'>a</note></presence>", "de", "person 'a'@fr" },
		{ "<presence " NS " xml:lang='en'><note>a</note></presence>", "de", "person 'a'@en" },
		{ "<presence " NS "><note>a</note></presence>", "no tag", "person 'a'" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		struct iw_presence p;
		struct xfed_buf got;
		xfed_buf_init(&got, 1024);
		assert_int_equal(iw_pidf_read(&arena, xfed_span_str(cases[i].in), xfed_span_str(cases[i].language), &p), IW_PIDF_OK);
		model_presence(&got, &p);
		assert_true(xfed_span_is(xfed_buf_span(&got), cases[i].model));
		xfed_buf_deinit(&got);
	}
}

/* ---- limits ---- */

static void put_many(struct xfed_buf *b, const char *what, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(xfed_buf_append_str(b, what), XFED_OK);
	}
}

static size_t peak, held;

static void *counting_malloc(size_t size)
{
	size_t *p = malloc(size + sizeof(max_align_t));
	*p = size;
	held += size;
	peak = held > peak ? held : peak;
	return (char *)p + sizeof(max_align_t);
}

static void counting_free(void *q)
{
	if (q) {
		size_t *p = (size_t *)(void *)((char *)q - sizeof(max_align_t));
		held -= *p;
		free(p);
	}
}

static void *counting_realloc(void *q, size_t size)
{
	void *p = counting_malloc(size);
	if (q) {
		size_t old = *(size_t *)(void *)((char *)q - sizeof(max_align_t));
		memcpy(p, q, old < size ? old : size);
		counting_free(q);
	}
	return p;
}

/* `memory`: the most that may be spent on it. */
static void bounded(const char *name, const char *head, const char *what, size_t count, const char *tail, enum iw_pidf_result want, size_t memory)
{
	static const struct xfed_mem_hooks hooks = { counting_malloc, counting_realloc, counting_free };
	struct xfed_buf in;
	xfed_buf_init(&in, 64 * 1024 * 1024);
	put_many(&in, head, 1);
	put_many(&in, what, count);
	put_many(&in, tail, 1);
	struct xfed_arena a;
	struct iw_presence p;
	xfed_mem_set_hooks(&hooks);
	peak = held = 0;
	xfed_arena_init(&a, 16 * 1024 * 1024);
	enum iw_pidf_result r = iw_pidf_read(&a, xfed_buf_span(&in), none, &p);
	xfed_arena_deinit(&a);
	xfed_mem_set_hooks(NULL);
	if (r != want || peak > memory) {
		fail_msg("%s: result %d, %zu bytes", name, (int)r, peak);
	}
	xfed_buf_deinit(&in);
}

#define HEAD DECL "<presence " NS ">"
#define TAIL "</presence>"
#define KB   1024

static void limits(void **state)
{
	(void)state;
	bounded("10 MB", HEAD, " ", 10 * 1024 * 1024, TAIL, IW_PIDF_TOO_LARGE, 0);
	bounded("a byte too many", DECL "<presence " NS "/>", " ", IW_PIDF_BYTES - strlen(DECL "<presence " NS "/>") + 1, "", IW_PIDF_TOO_LARGE, 0);
	bounded("the most bytes", DECL "<presence " NS "/>", " ", IW_PIDF_BYTES - strlen(DECL "<presence " NS "/>"), "", IW_PIDF_OK, 64 * KB);
	bounded("10,000 tuples", HEAD, "<tuple/>", 10000, TAIL, IW_PIDF_TOO_LARGE, 0);
	bounded("a tuple too many", HEAD, "<tuple/>", IW_DEVICES_MAX + 1, TAIL, IW_PIDF_TOO_LARGE, 64 * KB);
	bounded("as many as fit into the bytes", HEAD, "<tuple/>", 8000, TAIL, IW_PIDF_TOO_LARGE, 64 * KB);
	bounded("the most tuples", HEAD, "<tuple id='t'>" OPEN "</tuple>", IW_DEVICES_MAX, TAIL, IW_PIDF_OK, 128 * KB);
	bounded("100 levels", HEAD, "<x>", 100, "", IW_PIDF_TOO_DEEP, 64 * KB);
	bounded("a level too many", HEAD "<tuple><x>", "<x>", IW_PIDF_DEPTH - 1, "", IW_PIDF_TOO_DEEP, 64 * KB);
	bounded("a note too many", HEAD, "<note>x</note>", IW_PIDF_NOTES + 1, TAIL, IW_PIDF_TOO_LARGE, 64 * KB);
	bounded("the most notes", HEAD, "<note>x</note>", IW_PIDF_NOTES, TAIL, IW_PIDF_OK, 64 * KB);
	bounded("the most nodes", HEAD "<tuple>", "<x/>", IW_PIDF_NODES - 1, "</tuple>" TAIL, IW_PIDF_OK, 256 * KB);
	bounded("a node too many", HEAD "<tuple>", "<x/>", IW_PIDF_NODES, "</tuple>" TAIL, IW_PIDF_TOO_DEEP, 256 * KB);
	bounded("elements that mean nothing", HEAD, "<x xmlns='urn:x'/>", 3000, TAIL, IW_PIDF_OK, 64 * KB);
	bounded("as many elements as may be", HEAD, "<x><y/></x>", IW_PIDF_NODES_ALL / 2, TAIL, IW_PIDF_OK, 64 * KB);
	bounded("an element too many", HEAD "<x/>", "<x><y/></x>", IW_PIDF_NODES_ALL / 2, TAIL, IW_PIDF_TOO_LARGE, 64 * KB);
	bounded("a tag without end", HEAD "<tuple id='", "x", 20000, "'/>" TAIL, IW_PIDF_TOO_LARGE, 256 * KB);
	bounded("a name too long", HEAD "<tuple id='", "x", IW_NAME_BYTES + 1, "'/>" TAIL, IW_PIDF_TOO_LARGE, 64 * KB);
	bounded("the longest name", HEAD "<tuple id='", "x", IW_NAME_BYTES, "'>" OPEN "</tuple>" TAIL, IW_PIDF_OK, 64 * KB);
	bounded("attributes", HEAD "<tuple ", "x='' ", 70, "/>" TAIL, IW_PIDF_TOO_DEEP, 64 * KB);
	bounded("comments", HEAD, "<!-- -->", 7000, TAIL, IW_PIDF_OK, 64 * KB);
	bounded("a long comment", HEAD "<!--", " ", 20000, "-->" TAIL, IW_PIDF_TOO_LARGE, 256 * KB);
	bounded("one long note", HEAD "<note>", "x", 60000, "</note>" TAIL, IW_PIDF_OK, 512 * KB);
}

static void answers(void **state)
{
	(void)state;
	static const int status[] = { 0, 413, 413, 400, 400, 400, 400, 500 };
	for (size_t i = IW_PIDF_OK + 1; i <= IW_PIDF_NO_MEMORY; i++) {
		struct iw_sip_error e;
		assert_int_equal(iw_reason_to_sip(iw_pidf_reason((enum iw_pidf_result)i), &e), XFED_OK);
		assert_int_equal(e.status, status[i]);
	}
	assert_int_equal(iw_pidf_reason(IW_PIDF_OK), XFED_REASON_NONE);
}

/* ---- ids and priorities ---- */

static void ids(void **state)
{
	(void)state;
	static const struct {
		const char *name, *id;
	} pairs[] = {
		{ "balcony", "ID-balcony" },
		{ "a.b-C9", "ID-a.b-C9" },
		{ "a b", "ID-a_20b" },
		{ "a_20b", "ID-a_5f20b" },
		{ "ID-a", "ID-ID-a" },
		{ "9", "ID-9" },
		{ "-", "ID--" },
		{ "\xc3\xa4/\"<&>'", "ID-_c3_a4_2f_22_3c_26_3e_27" },
		{ "a:b", "ID-a_3ab" },
		{ "a\tb\r\n", "ID-a_09b_0d_0a" },
	};
	static const char *const foreign[] = { "", "t4109", "id-a", "ID", "I", "ID-a_", "ID-a_2", "ID-a_2F", "ID-_61", "ID-a_zz", "ID-_00", "ID-_ff",
		"ID-_01", "ID-a b", "ID-\xc3\xa4", "_", "ID-_c3" };
	struct xfed_span id, name;
	for (size_t i = 0; i < XFED_ARRAY_LEN(pairs); i++) {
		assert_int_equal(iw_pidf_id(&arena, xfed_span_str(pairs[i].name), &id), XFED_OK);
		assert_true(xfed_span_is(id, pairs[i].id));
		assert_int_equal(iw_pidf_name(&arena, id, &name), XFED_OK);
		assert_true(xfed_span_is(name, pairs[i].name));
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(foreign); i++) {
		assert_int_equal(iw_pidf_name(&arena, xfed_span_str(foreign[i]), &name), XFED_OK);
		assert_true(name.data && xfed_span_is(name, foreign[i]));
	}
	assert_int_equal(iw_pidf_id(&arena, xfed_span_make(NULL, 0), &id), XFED_OK);
	assert_true(xfed_span_is(id, "ID-"));
	assert_int_equal(iw_pidf_name(&arena, id, &name), XFED_OK);
	assert_null(name.data);
}

static void priorities(void **state)
{
	(void)state;
	static const struct {
		const char *decimal;
		int priority;
	} rows_in[] = {
		/* RFC 3922 sections 5.1.7 and 5.2.13 */
		{ "0", 0 },
		{ "0.001", 1 },
		{ "0.007", 1 },
		{ "0.008", 2 },
		{ "0.015", 2 },
		{ "0.102", 13 },
		{ "0.992", 126 },
		{ "0.999", 126 },
		{ "1", 127 },
		{ "0.", 0 },
		{ "0.0", 0 },
		{ "1.0", 127 },
		{ "1.000", 127 },
		{ "0.5", 64 },
		{ "0.50", 64 },
		{ "0.5009", 64 },
		{ "", IW_PRIORITY_NONE },
		{ "1.001", IW_PRIORITY_NONE },
		{ "2", IW_PRIORITY_NONE },
		{ "-0.5", IW_PRIORITY_NONE },
		{ "-0", IW_PRIORITY_NONE },
		{ ".5", IW_PRIORITY_NONE },
		{ "0,5", IW_PRIORITY_NONE },
		{ "0.5x", IW_PRIORITY_NONE },
		{ "00.5", IW_PRIORITY_NONE },
		{ "high", IW_PRIORITY_NONE },
		{ "1e0", IW_PRIORITY_NONE },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows_in); i++) {
		if (iw_pidf_priority_of(xfed_span_str(rows_in[i].decimal)) != rows_in[i].priority) {
			fail_msg("%s: %d", rows_in[i].decimal, iw_pidf_priority_of(xfed_span_str(rows_in[i].decimal)));
		}
	}
	assert_int_equal(iw_pidf_priority(0), 0);
	assert_int_equal(iw_pidf_priority(1), 7);
	assert_int_equal(iw_pidf_priority(2), 15);
	assert_int_equal(iw_pidf_priority(13), 102);
	assert_int_equal(iw_pidf_priority(126), 992);
	assert_int_equal(iw_pidf_priority(127), 1000);
	assert_int_equal(iw_pidf_priority(-1), -1);
	assert_int_equal(iw_pidf_priority(-128), -1);
	assert_int_equal(iw_pidf_priority(128), -1);
	assert_int_equal(iw_pidf_priority(IW_PRIORITY_NONE), -1);
	for (int16_t p = 0; p <= 127; p++) {
		char decimal[8];
		int t = iw_pidf_priority(p);
		assert_true(p == 0 || t > iw_pidf_priority((int16_t)(p - 1)));
		snprintf(decimal, sizeof(decimal), t == 1000 ? "1" : "0.%03d", t);
		assert_int_equal(iw_pidf_priority_of(xfed_span_str(decimal)), p);
	}
}

/* ---- writing ---- */

static const struct iw_pidf_addresses to = { { "pres:a@x", 8 }, { "sip:a@x", 7 } };

#define OUT(inside)                                                                                                                                  \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:"        \
	"data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"pres:a@x\">\n" inside "</presence>\n"

static void expect(const struct iw_presence *p, const char *want)
{
	struct xfed_buf got;
	xfed_buf_init(&got, 64 * 1024);
	assert_int_equal(iw_pidf_write(&got, p, &to), XFED_OK);
	if (!xfed_span_is(xfed_buf_span(&got), want)) {
		fail_msg("%.*s", (int)xfed_buf_len(&got), xfed_buf_span(&got).data);
	}
	xfed_buf_deinit(&got);
}

static void written(void **state)
{
	(void)state;
	struct iw_device d[] = {
		{ .name = XFED_SPAN("desk"), .is_open = true, .priority = -5 },
		{ .name = XFED_SPAN("a & b"),
			.is_open = true,
			.show = IW_SHOW_DND,
			.priority = 13,
			.activities = 1u << IW_ACTIVITY_BUSY | 1u << IW_ACTIVITY_ON_THE_PHONE,
			.idle_since_s = 999999900,
			.changed_s = 1000000000 },
		{ .name = XFED_SPAN("first"), .is_open = true, .priority = 127 },
		{ .name = XFED_SPAN("second"), .is_open = true, .priority = 127 },
		{ .name = XFED_SPAN("zero"), .is_open = true, .priority = 0 },
		{ .name = XFED_SPAN("off"), .priority = IW_PRIORITY_NONE },
	};
	struct iw_presence p = {
		.devices = d, .count = XFED_ARRAY_LEN(d), .person = { .activities = 1u << IW_ACTIVITY_BUSY, .idle_since_s = 999999900 }
	};
	iw_notes_add(&d[1].notes, XFED_SPAN("<in> a\rb"), XFED_SPAN("en"));
	iw_notes_add(&d[1].notes, XFED_SPAN("drin"), xfed_span_make(NULL, 0));
	iw_notes_add(&p.person.notes, XFED_SPAN("ours"), XFED_SPAN("en"));
	expect(&p, OUT("<tuple id=\"ID-first\"><status><basic>open</basic></status><contact priority=\"1\">sip:a@x</contact></tuple>\n"
		       "<tuple id=\"ID-second\"><status><basic>open</basic></status><contact priority=\"1\">sip:a@x</contact></tuple>\n"
		       "<tuple id=\"ID-a_20_26_20b\"><status><basic>open</basic><show xmlns=\"jabber:client\">dnd</show></status>"
		       "<rpid:activities><rpid:busy/><rpid:on-the-phone/></rpid:activities>"
		       "<rpid:user-input last-input=\"2001-09-09T01:45:00Z\">idle</rpid:user-input><contact priority=\"0.102\">sip:a@x</contact>"
		       "<note xml:lang=\"en\">&lt;in&gt; a&#xD;b</note><note>drin</note><timestamp>2001-09-09T01:46:40Z</timestamp></tuple>\n"
		       "<tuple id=\"ID-zero\"><status><basic>open</basic></status><contact priority=\"0\">sip:a@x</contact></tuple>\n"
		       "<tuple id=\"ID-desk\"><status><basic>open</basic></status><contact>sip:a@x</contact></tuple>\n"
		       "<tuple id=\"ID-off\"><status><basic>closed</basic></status><contact>sip:a@x</contact></tuple>\n"
		       "<note xml:lang=\"en\">ours</note><dm:person id=\"person\"><rpid:activities><rpid:busy/></rpid:activities>"
		       "<rpid:user-input last-input=\"2001-09-09T01:45:00Z\">idle</rpid:user-input></dm:person>\n"));
}

/* [B5-08]: all gone is one closed tuple, of whoever was here last. */
static void all_gone(void **state)
{
	(void)state;
	struct iw_device d[] = { { .name = XFED_SPAN("old"), .changed_s = 1 },
		{ .name = XFED_SPAN("last"), .changed_s = 1000000000, .priority = 5 } };
	struct iw_presence nobody = { NULL, 0 }, two = { .devices = d, .count = 2 };
	iw_notes_add(&d[1].notes, XFED_SPAN("bye"), xfed_span_make(NULL, 0));
	iw_device_settle(&d[0]);
	iw_device_settle(&d[1]);
	expect(&nobody, OUT("<tuple id=\"ID-\"><status><basic>closed</basic></status><contact>sip:a@x</contact></tuple>\n"));
	expect(&two, OUT("<tuple id=\"ID-last\"><status><basic>closed</basic></status><contact>sip:a@x</contact><note>bye</note>"
			 "<timestamp>2001-09-09T01:46:40Z</timestamp></tuple>\n"));
}

/*
 * With every cap: a document or LIMIT, never half of one; what it has are the devices worth most, and with more room never fewer of them.
 */
static void bounded_output(void **state)
{
	(void)state;
	enum { COUNT = 100 };
	static struct iw_device d[COUNT];
	static char names[COUNT][8];
	static char text[900];
	struct iw_presence p = { .devices = d, .count = COUNT }, back;
	size_t most = 0;
	bool is_any = false;
	memset(text, '<', sizeof(text));
	for (int i = 0; i < COUNT; i++) {
		int len = snprintf(names[i], sizeof(names[i]), "%d", i);
		d[i] = (struct iw_device){ .name = xfed_span_make(names[i], (size_t)len), .is_open = true, .priority = (int16_t)i };
		iw_notes_add(&d[i].notes, xfed_span_make(text, sizeof(text)), xfed_span_make(NULL, 0));
	}
	iw_notes_add(&p.person.notes, xfed_span_make(text, sizeof(text)), xfed_span_make(NULL, 0));
	for (size_t cap = 1; cap < 60 * 1024; cap += cap < 700 ? 1 : 997) {
		struct xfed_buf got;
		xfed_buf_init(&got, cap);
		assert_int_equal(xfed_buf_append_str(&got, "x"), XFED_OK);
		int rc = iw_pidf_write(&got, &p, &to);
		assert_int_equal(got.cap_bytes, cap);
		if (rc == XFED_ERR_LIMIT) {
			assert_false(is_any);
			assert_int_equal(xfed_buf_len(&got), 1);
		} else {
			assert_int_equal(rc, XFED_OK);
			is_any = true;
			xfed_buf_consume(&got, 1);
			assert_int_equal(iw_pidf_read(&arena, xfed_buf_span(&got), none, &back), IW_PIDF_OK);
			assert_true(back.count >= 1 && back.count <= IW_DEVICES_MAX);
			for (size_t i = 0; i < back.count; i++) {
				assert_int_equal(back.devices[i].priority, COUNT - 1 - (int)i);
			}
			most = back.count > most ? back.count : most;
			xfed_arena_reset(&arena);
		}
		xfed_buf_deinit(&got);
	}
	assert_true(is_any && most > 20);
	for (int i = 0; i < COUNT; i++) {
		d[i].notes.count = 0;
	}
	struct xfed_buf got;
	xfed_buf_init(&got, 64 * 1024);
	assert_int_equal(iw_pidf_write(&got, &p, &to), XFED_OK);
	assert_int_equal(iw_pidf_read(&arena, xfed_buf_span(&got), none, &back), IW_PIDF_OK);
	assert_int_equal(back.count, IW_DEVICES_MAX);
	xfed_buf_deinit(&got);
}

/* ---- memory ---- */

static size_t left;

static void *failing_malloc(size_t size)
{
	return left > 0 && left-- ? malloc(size) : NULL;
}

static void *failing_realloc(void *p, size_t size)
{
	return left > 0 && left-- ? realloc(p, size) : NULL;
}

/* The example with most in it, read and written again. */
static void allocations_fail(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	bool is_done = false;
	for (size_t tries = 0; !is_done; tries++) {
		struct xfed_arena a;
		struct iw_presence p;
		struct xfed_buf out;
		xfed_mem_set_hooks(&hooks);
		left = tries;
		xfed_arena_init(&a, 1024 * 1024);
		xfed_buf_init(&out, 64 * 1024);
		enum iw_pidf_result r = iw_pidf_read(&a, xfed_span_str(rows[7].in), none, &p);
		int rc = r == IW_PIDF_OK ? iw_pidf_write(&out, &p, &to) : XFED_ERR_NOMEM;
		xfed_mem_set_hooks(NULL);
		assert_true(r == IW_PIDF_OK || r == IW_PIDF_NO_MEMORY);
		assert_true(rc == XFED_OK || (rc == XFED_ERR_NOMEM && xfed_buf_len(&out) == 0));
		is_done = rc == XFED_OK;
		xfed_arena_deinit(&a);
		xfed_buf_deinit(&out);
		assert_true(tries < 10000);
	}
}

int main(void)
{
	if (xfed_xml_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(documents, setup, teardown),
		cmocka_unit_test_setup_teardown(languages, setup, teardown),
		cmocka_unit_test(limits),
		cmocka_unit_test(answers),
		cmocka_unit_test_setup_teardown(ids, setup, teardown),
		cmocka_unit_test(priorities),
		cmocka_unit_test(written),
		cmocka_unit_test(all_gone),
		cmocka_unit_test_setup_teardown(bounded_output, setup, teardown),
		cmocka_unit_test(allocations_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
