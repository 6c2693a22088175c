#include "samples.h"

#include "xfed/base.h"

/* Generated messages hold plain pointers; nothing here is written to. */
#define BYTES(lit)                                                                                                                                   \
	{                                                                                                                                            \
		sizeof(lit) - 1, (uint8_t *)(uintptr_t)(lit)                                                                                         \
	}
#define TEXT(lit)  ((char *)(uintptr_t)(lit))
#define BASE(name) .base = PROTOBUF_C_MESSAGE_INIT(&xfed__##name##__descriptor)
#define HASH	   BYTES("0123456789abcdef0123456789abcdef")

static Xfed__Field field_domain = { BASE(field), .name = TEXT("domain"), .value = TEXT("fabrikam.example") };
static Xfed__Field field_reason = { BASE(field), .name = TEXT("reason"), .value = TEXT("tls.cert.expired") };
static Xfed__Field *fields_domain[] = { &field_domain };
static Xfed__Field *fields_reason[] = { &field_reason };
static Xfed__Revision revision = { BASE(revision), .epoch = 3, .counter = 17, .hash = HASH };

static char *capabilities[] = { TEXT("resume"), TEXT("snapshot") };
static Xfed__Hello hello = { BASE(hello), .version_min = 1, .version_max = 1, .role = XFED__ROLE__ROLE_EDGE, .name = TEXT("edge1"),
	.boot_nonce = 0x0123456789abcdef, .lowest_unsettled = 42, .n_capabilities = 2, .capabilities = capabilities,
	.software = TEXT("xfed-edge 0.1.0"), .policy = &revision, .owner_epoch = 1 };
static Xfed__Ping ping = { BASE(ping), .id = 9, .lowest_unsettled = 42, .wall_ms = 1780000000123 };
static Xfed__Pong pong = { BASE(pong), .id = 9, .wall_ms = 1780000000456 };
static Xfed__Credit credit = { BASE(credit), .messages = 1024, .bytes = 4194304, .taken = 300 };

static Xfed__SipKey sip_key = { BASE(sip_key), .call_id = TEXT("a84b4c76e66710@10.0.0.7"), .from_tag = TEXT("1928301774"), .cseq = 314159,
	.request_uri = TEXT("sip:juliet%40fabrikam.example@gw1.int.example.com") };
static Xfed__Deliver to_sip = { BASE(deliver), .seq = 43, .kind = XFED__KIND__KIND_MESSAGE, .type = TEXT("chat"), .id = TEXT("m1"),
	.from = TEXT("juliet@fabrikam.example/balcony"), .to = TEXT("romeo@example.com"), .lang = TEXT("en"), .remaining_ms = 59990, .owner_epoch = 1,
	.owner = TEXT("gw1"), .lowest_unsettled = 42, .correlation = TEXT("e1-7c"),
	.stanza = BYTES("<message xmlns='jabber:server' id='m1' type='chat' from='juliet@fabrikam.example/balcony' to='romeo@example.com' "
			"xml:lang='en'><body>Wherefore art thou?</body></message>") };
static Xfed__Deliver to_xmpp = { BASE(deliver), .seq = 7, .kind = XFED__KIND__KIND_MESSAGE, .id = TEXT("d-7"), .from = TEXT("romeo@example.com"),
	.to = TEXT("juliet@fabrikam.example"), .remaining_ms = 12000, .owner_epoch = 1, .owner = TEXT("gw1"), .replay = 1, .lowest_unsettled = 7,
	.sip = &sip_key, .answer_within_ms = 10000,
	.stanza = BYTES("<message xmlns='jabber:server' id='d-7' from='romeo@example.com' to='juliet@fabrikam.example'>"
			"<body>Neither, fair saint</body></message>") };

static uint64_t seqs[] = { 43, 44, 300 };
static uint64_t refused[] = { 45 };
static Xfed__Attempted attempted = { BASE(attempted), .n_seqs = 3, .seqs = seqs };
static Xfed__AttemptedAck attempted_ack = { BASE(attempted_ack), .n_seqs = 3, .seqs = seqs, .n_refused = 1, .refused = refused };

static Xfed__Outcome delivered = { BASE(outcome), .seq = 43, .fate = XFED__FATE__FATE_DELIVERED, .sip_status = 200 };
static Xfed__Outcome was_refused = { BASE(outcome), .seq = 44, .fate = XFED__FATE__FATE_REFUSED, .condition = TEXT("item-not-found"),
	.error_type = TEXT("cancel"), .text = TEXT("No such user"), .sip_status = 404, .reason = TEXT("sip.user.unknown"), .side = TEXT("local-user"),
	.whose = TEXT("sip") };
static Xfed__Outcome dropped = { BASE(outcome), .seq = 46, .fate = XFED__FATE__FATE_DROPPED, .rule = TEXT("headline") };
static Xfed__Outcome uncertain = { BASE(outcome), .seq = 47, .fate = XFED__FATE__FATE_UNCERTAIN, .condition = TEXT("remote-server-timeout"),
	.error_type = TEXT("wait"), .text = TEXT("may have been delivered"), .sip_status = 504, .reason = TEXT("delivery.uncertain"),
	.side = TEXT("network"), .whose = TEXT("sip") };
static Xfed__Outcome *outcomes[] = { &delivered, &was_refused, &dropped, &uncertain };
static Xfed__Settled settled = { BASE(settled), .n_outcomes = 4, .outcomes = outcomes };
static Xfed__Withdraw withdraw = { BASE(withdraw), .seq = 7 };

static Xfed__Request request = { BASE(request), .id = 5, .verb = TEXT("stream.list"), .n_args = 1, .args = fields_domain };
static Xfed__Reply reply = { BASE(reply), .id = 5, .status = XFED__STATUS__STATUS_OK, .text = TEXT("1 stream"), .n_fields = 1,
	.fields = fields_domain, .json = BYTES("{\"streams\":[]}"), .more = 1 };

static Xfed__Metric metric = { BASE(metric), .name = TEXT("xfed_refusals_total"), .n_labels = 1, .labels = fields_reason, .value = 2.5 };
static Xfed__Metric *metrics[] = { &metric };
static Xfed__Counters counters = { BASE(counters), .n_metrics = 1, .metrics = metrics, .more = 1 };

static Xfed__PolicyBegin policy_begin = { BASE(policy_begin), .revision = &revision, .total_bytes = 11 };
static Xfed__PolicyPart policy_part = { BASE(policy_part), .offset = 5, .data = BYTES("policy") };
static Xfed__PolicyCommit policy_commit = { BASE(policy_commit), .hash = HASH };
static Xfed__PolicyResult policy_result = { BASE(policy_result), .revision = &revision, .ok = 0, .reason = TEXT("channel.policy.drift"),
	.text = TEXT("this revision is known with another hash") };

static char *names[] = { TEXT("dns:fabrikam.example"), TEXT("xmpp:fabrikam.example") };
static Xfed__Certificate certificate = { BASE(certificate), .subject = TEXT("CN=fabrikam.example"), .issuer = TEXT("CN=Test CA"),
	.serial_hex = TEXT("0a1b"), .sha256_hex = TEXT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
	.not_before_s = 1767225600, .not_after_s = 1798761600, .eku = 1, .n_names = 2, .names = names };
static Xfed__Certificate *chain[] = { &certificate };
static Xfed__Pair pair = { BASE(pair), .local = TEXT("example.com"), .remote = TEXT("fabrikam.example"), .method = TEXT("external") };
static Xfed__Pair *pairs[] = { &pair };
static Xfed__StreamEvent stream_event = { BASE(stream_event), .change = XFED__STREAM_CHANGE__STREAM_OPENED, .stream = 12,
	.direction = XFED__DIRECTION__DIRECTION_IN, .n_pairs = 1, .pairs = pairs, .address = TEXT("192.0.2.10:5269"), .tls_version = TEXT("TLS1.3"),
	.cipher = TEXT("AES-256-GCM"), .certificate = &certificate, .opened_s = 1780000000, .stanzas_in = 3, .stanzas_out = 4, .queued = 5,
	.snapshot = 1, .correlation = TEXT("e1-7c") };

static Xfed__Step step = { BASE(step), .at_ms = 120, .step = TEXT("tls"), .ok = 0, .detail = TEXT("certificate expired on 2026-01-01") };
static Xfed__Step *steps[] = { &step };
static Xfed__FailureEvent failure_event = { BASE(failure_event), .at_s = 1780000001, .direction = XFED__DIRECTION__DIRECTION_OUT,
	.local = TEXT("example.com"), .remote = TEXT("fabrikam.example"), .reason = TEXT("tls.cert.expired"), .side = TEXT("partner"),
	.text = TEXT("handshake refused"), .n_steps = 1, .steps = steps, .n_facts = 1, .facts = fields_reason, .n_chain = 1, .chain = chain,
	.correlation = TEXT("e1-7d"), .repeated_count = 2, .address = TEXT("192.0.2.10:5269") };
static Xfed__Drain drain = { BASE(drain), .grace_ms = 30000 };
static Xfed__Close close_message = { BASE(close), .reason = TEXT("channel.replaced"), .text = TEXT("a newer link") };

#define FRAME(case_, field, message)                                                                                                                 \
	{                                                                                                                                            \
		BASE(frame), .body_case = XFED__FRAME__BODY_##case_, .field = &(message)                                                             \
	}

static const Xfed__Frame frames[] = {
	FRAME(HELLO, hello, hello),
	FRAME(PING, ping, ping),
	FRAME(PONG, pong, pong),
	FRAME(CREDIT, credit, credit),
	FRAME(DELIVER, deliver, to_sip),
	FRAME(DELIVER, deliver, to_xmpp),
	FRAME(ATTEMPTED, attempted, attempted),
	FRAME(ATTEMPTED_ACK, attempted_ack, attempted_ack),
	FRAME(SETTLED, settled, settled),
	FRAME(WITHDRAW, withdraw, withdraw),
	FRAME(REQUEST, request, request),
	FRAME(REPLY, reply, reply),
	FRAME(COUNTERS, counters, counters),
	FRAME(POLICY_BEGIN, policy_begin, policy_begin),
	FRAME(POLICY_PART, policy_part, policy_part),
	FRAME(POLICY_COMMIT, policy_commit, policy_commit),
	FRAME(POLICY_RESULT, policy_result, policy_result),
	FRAME(STREAM_EVENT, stream_event, stream_event),
	FRAME(FAILURE_EVENT, failure_event, failure_event),
	FRAME(DRAIN, drain, drain),
	FRAME(CLOSE, close, close_message),
};

const struct sample samples[] = {
	{ "hello", &frames[0] },
	{ "ping", &frames[1] },
	{ "pong", &frames[2] },
	{ "credit", &frames[3] },
	{ "deliver-to-sip", &frames[4] },
	{ "deliver-to-xmpp", &frames[5] },
	{ "attempted", &frames[6] },
	{ "attempted-ack", &frames[7] },
	{ "settled", &frames[8] },
	{ "withdraw", &frames[9] },
	{ "request", &frames[10] },
	{ "reply", &frames[11] },
	{ "counters", &frames[12] },
	{ "policy-begin", &frames[13] },
	{ "policy-part", &frames[14] },
	{ "policy-commit", &frames[15] },
	{ "policy-result", &frames[16] },
	{ "stream-event", &frames[17] },
	{ "failure-event", &frames[18] },
	{ "drain", &frames[19] },
	{ "close", &frames[20] },
};
const size_t sample_count = XFED_ARRAY_LEN(samples);
