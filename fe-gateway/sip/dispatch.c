#include "sip/dispatch.h"

#include "sip/method.h"

#define ALLOW_LINE "Allow: " SIP_ALLOW "\r\n"

/* No event package is notified yet, so the list is empty (RFC 6665 section 8.2.2). */
#define ALLOW_EVENTS_LINE "Allow-Events:\r\n"

/*
 * `outside` is what a request without To tag gets, `inside` what one with a To tag gets: there are
 * no dialogs, so a tag names one we do not know (RFC 3261 section 12.2.2). OPTIONS is answered
 * either way, as it changes nothing.
 */
static const struct row {
	enum sip_disposition disposition;
	int outside, inside; /* 0: as disposition says */
	const char *extra;   /* goes with `outside` */
} rows[SIP_METHOD_COUNT] = {
	[SIP_METHOD_UNKNOWN] = { SIP_DISPOSE_ANSWER, 501, 501, ALLOW_LINE },
	[SIP_METHOD_MESSAGE] = { SIP_DISPOSE_USER, 0, 481, "" },
	[SIP_METHOD_OPTIONS] = { SIP_DISPOSE_USER, 0, 0, "" },
	[SIP_METHOD_ACK] = { SIP_DISPOSE_ABSORB, 0, 0, "" },
	[SIP_METHOD_CANCEL] = { SIP_DISPOSE_CANCEL, 0, 0, "" },
	[SIP_METHOD_INVITE] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW_LINE },
	[SIP_METHOD_BYE] = { SIP_DISPOSE_ANSWER, 481, 481, "" },
	[SIP_METHOD_NOTIFY] = { SIP_DISPOSE_ANSWER, 481, 481, "" },
	[SIP_METHOD_SUBSCRIBE] = { SIP_DISPOSE_ANSWER, 489, 481, ALLOW_EVENTS_LINE },
	[SIP_METHOD_PUBLISH] = { SIP_DISPOSE_ANSWER, 405, 405, ALLOW_LINE },
	[SIP_METHOD_REGISTER] = { SIP_DISPOSE_ANSWER, 405, 405, ALLOW_LINE },
	[SIP_METHOD_INFO] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW_LINE },
	[SIP_METHOD_PRACK] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW_LINE },
	[SIP_METHOD_UPDATE] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW_LINE },
	[SIP_METHOD_REFER] = { SIP_DISPOSE_ANSWER, 405, 481, ALLOW_LINE },
};

static struct sip_verdict answer(int status, const char *extra)
{
	return (struct sip_verdict){ .disposition = SIP_DISPOSE_ANSWER, .status = status, .extra = extra };
}

struct sip_verdict sip_dispatch(const struct sip_message *m)
{
	const struct row *row = &rows[sip_method_parse(m->method)];
	if (row->disposition == SIP_DISPOSE_ABSORB || row->disposition == SIP_DISPOSE_CANCEL) {
		return (struct sip_verdict){ .disposition = row->disposition, .extra = "" };
	}
	int status = m->to.tag.data ? row->inside : row->outside;
	if (status != 0) {
		return answer(status, status == row->outside ? row->extra : "");
	}
	if (!m->uri.is_sip) {
		return answer(416, "");
	}
	if (sip_message_header(m, SIP_HEADER_REQUIRE, NULL)) {
		struct sip_verdict v = answer(420, "");
		v.needs_unsupported = true;
		return v;
	}
	return (struct sip_verdict){ .disposition = SIP_DISPOSE_USER, .extra = "" };
}
