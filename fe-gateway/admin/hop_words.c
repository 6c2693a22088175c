#include "admin/hop_words.h"

#include <stdio.h>

#include "sip/print.h"

static const char *refusal_advice(const struct hop_state *s)
{
	switch (s->status) {
	case 405:
	case 501:
		return "let it take MESSAGE requests, and INVITE where the domain has im: session";
	case 482:
	case 483:
		return "it sends our requests round in a circle: let it deliver those for the domain by itself";
	case 504:
		return "the server behind it does not answer: look at its log for that time";
	default:
		return NULL;
	}
}

const char *hop_words_advice(const struct hop_state *s)
{
	if (s->is_up) {
		return refusal_advice(s);
	}
	switch (s->reason) {
	case XFED_REASON_DNS_TIMEOUT:
		return "check dns.servers, or /etc/resolv.conf; /etc/hosts is not asked";
	case XFED_REASON_DNS_NAME_MISSING:
	case XFED_REASON_DNS_SRV_REFUSED:
	case XFED_REASON_DNS_BOGUS:
		return "correct domains[].next_hop or the record, or write an address there; dns.servers says who is asked";
	default:
		return NULL;
	}
}

enum xfed_reason hop_words_reason(const struct hop_state *s)
{
	enum xfed_side side = xfed_reason_info(s->reason)->side;
	return side == XFED_SIDE_PARTNER || side == XFED_SIDE_NETWORK ? XFED_REASON_SIP_SERVER_UNREACHABLE : s->reason;
}

static void refuses(const struct hop_state *s, char out[HOP_WORDS_SIZE])
{
	int len = snprintf(out, HOP_WORDS_SIZE, "refuses messages with %d %s", s->status, sip_status_phrase(s->status));
	if (s->refusals.status == s->status && s->refusals.count > 1) {
		len += snprintf(out + len, HOP_WORDS_SIZE - (size_t)len, ", %u times by now", s->refusals.count);
	}
	if (s->text[0]) {
		snprintf(out + len, HOP_WORDS_SIZE - (size_t)len, ", %s", s->text);
	}
}

static const char *down_words(enum xfed_reason reason)
{
	switch (reason) {
	case XFED_REASON_SIP_SERVER_TIMEOUT:
		return "can be reached and does not answer in time";
	case XFED_REASON_SIP_SERVER_ERROR:
		return "does not work";
	case XFED_REASON_TLS_CERT_REFUSED:
		return "does not take our certificate, that of sip.certificate";
	case XFED_REASON_DNS_TIMEOUT:
		return "cannot be looked up, as no DNS server answers";
	case XFED_REASON_DNS_NAME_MISSING:
	case XFED_REASON_DNS_SRV_REFUSED:
	case XFED_REASON_DNS_BOGUS:
		return "is not found in the DNS, and /etc/hosts is not asked";
	default:
		return "cannot be reached";
	}
}

const char *hop_words(const struct hop_state *s, char out[HOP_WORDS_SIZE])
{
	if (s->is_up) {
		refuses(s, out);
	} else {
		snprintf(out, HOP_WORDS_SIZE, "%s (%s)", down_words(s->reason), s->text);
	}
	return out;
}
