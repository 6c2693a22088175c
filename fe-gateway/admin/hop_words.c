#include "admin/hop_words.h"

#include <stdio.h>

#include "sip/print.h"

static const char *refusal_remedy(int status)
{
	switch (status) {
	case 403:
		return "let it take messages from this gateway (by its address, or by the certificate of sip.certificate) and from the partner's "
		       "users; its log says what it missed";
	case 405:
	case 501:
		return "let it take MESSAGE requests";
	case 482:
	case 483:
		return "it sends our requests round in a circle: let it deliver those for the domain by itself";
	case 503:
		return "it is overloaded, or what it needs (its database, the server behind it) is down: look at its log for that time";
	case 504:
		return "the server behind it does not answer: look at its log for that time";
	default:
		return status >= 500 ? "look at its log for that time" : "its log says what it misses";
	}
}

static void refuses(const struct hop_state *s, char out[HOP_WORDS_SIZE])
{
	int status = s->refusals.status;
	int len = snprintf(out, HOP_WORDS_SIZE, "refuses messages with %d %s", status, sip_status_phrase(status));
	if (s->refusals.count > 1) {
		len += snprintf(out + len, HOP_WORDS_SIZE - (size_t)len, ", %u times by now", s->refusals.count);
	}
	if (s->text[0]) {
		len += snprintf(out + len, HOP_WORDS_SIZE - (size_t)len, ", %s", s->text);
	}
	snprintf(out + len, HOP_WORDS_SIZE - (size_t)len, ": %s",
		hop_state_wants_proof(s) ? xfed_reason_info(s->reason)->remedy : refusal_remedy(status));
}

static void is_down(const struct hop_state *s, char out[HOP_WORDS_SIZE])
{
	switch (s->reason) {
	case XFED_REASON_SIP_SERVER_TIMEOUT:
		snprintf(out, HOP_WORDS_SIZE,
			"can be reached and does not answer in time (%s): look whether it hangs, and whether its answers find the way back to "
			"this host (firewall, sip.advertise)",
			s->text);
		break;
	case XFED_REASON_SIP_SERVER_ERROR:
		snprintf(out, HOP_WORDS_SIZE, "does not work (%s): look at its log for that time", s->text);
		break;
	case XFED_REASON_TLS_CERT_REFUSED:
		snprintf(out, HOP_WORDS_SIZE,
			"does not take our certificate, that of sip.certificate (%s): renew it, give its whole chain, or let that server trust its "
			"CA and name",
			s->text);
		break;
	case XFED_REASON_DNS_TIMEOUT:
		snprintf(out, HOP_WORDS_SIZE,
			"cannot be looked up, as no DNS server answers (%s): check dns.servers, or /etc/resolv.conf; /etc/hosts is not asked",
			s->text);
		break;
	case XFED_REASON_DNS_NAME_MISSING:
	case XFED_REASON_DNS_SRV_REFUSED:
	case XFED_REASON_DNS_BOGUS:
		snprintf(out, HOP_WORDS_SIZE,
			"is not found in the DNS (%s), and /etc/hosts is not asked: correct domains[].next_hop or the record, or write an address "
			"there; "
			"dns.servers says who is asked",
			s->text);
		break;
	default:
		snprintf(out, HOP_WORDS_SIZE, "cannot be reached (%s): check domains[].next_hop, the server and the way to it", s->text);
		break;
	}
}

const char *hop_words(const struct hop_state *s, char out[HOP_WORDS_SIZE])
{
	if (s->is_up) {
		refuses(s, out);
	} else {
		is_down(s, out);
	}
	return out;
}
