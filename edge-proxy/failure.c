/* What an attempt went through, step by step, for the gateways' journal of failures. */
#include "edge.h"

#include <stdarg.h>

#include "xfed/mem.h"

#define STEPS_MAX 24

struct edge_steps {
	uint64_t began_ms;
	size_t count;
	struct {
		uint32_t at_ms;
		const char *step;
		bool ok;
		char detail[160];
	} list[STEPS_MAX];
};

/* Made when the first step is noted, and gone when the stream is ready: an idle stream carries none. */
void edge_steps_add(struct edge_steps **s, uint64_t now_ms, const char *step, bool ok, const char *fmt, ...)
{
	if (!*s) {
		*s = xfed_calloc(1, sizeof(**s));
		if (!*s) {
			return; /* a failure without its steps is better than none */
		}
		(*s)->began_ms = now_ms;
	}
	if ((*s)->count == STEPS_MAX) {
		return;
	}
	size_t i = (*s)->count++;
	char raw[sizeof((*s)->list[i].detail)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(*s)->list[i].at_ms = (uint32_t)(now_ms - (*s)->began_ms);
	(*s)->list[i].step = step;
	(*s)->list[i].ok = ok;
	proto_text_clean((*s)->list[i].detail, sizeof((*s)->list[i].detail), raw);
}

void edge_steps_free(struct edge_steps **s)
{
	xfed_free(*s);
	*s = NULL;
}

static bool starts_with(const char *code, const char *area)
{
	return strncmp(code, area, strlen(area)) == 0;
}

/* What a stream got to before it ended for `reason`: TLS, certificate, login. */
void edge_steps_of_stream(struct edge_steps **s, uint64_t now_ms, const struct xfed_s2s_info *info, enum xfed_reason reason, const char *text)
{
	const char *code = xfed_reason_code(reason);
	bool is_cert = starts_with(code, "tls.cert.");
	if (info->is_secure) {
		edge_steps_add(s, now_ms, "tls", true, "%s %s", info->tls.version, info->tls.cipher);
		if (info->tls.peer) {
			const struct xfed_cert_facts *f = xfed_cert_facts(info->tls.peer);
			enum xfed_reason verdict = is_cert ? reason : info->cert_reason;
			edge_steps_add(s, now_ms, "certificate", verdict == XFED_REASON_NONE, "%s%s%s", verdict == XFED_REASON_NONE ? "" : xfed_reason_code(verdict),
				verdict == XFED_REASON_NONE ? "" : ": ", f->subject);
		} else {
			edge_steps_add(s, now_ms, "certificate", false, "none was presented");
		}
	}
	const char *step = is_cert ? NULL
			   : starts_with(code, "tls.") ? "tls"
			   : starts_with(code, "sasl.") ? "sasl"
			   : starts_with(code, "dialback.") ? "dialback"
							   : "stream";
	if (step) {
		edge_steps_add(s, now_ms, step, false, "%s%s%s (%s)", code, text[0] ? ": " : "", text, info->state_name);
	}
}

/*
 * ejabberd up to 23.01 ends the stream without a word when our certificate has a domain as XmppAddr (its process dies while reading it):
 * nothing on the wire says so, hence this.
 */
const char *edge_failure_suspicion(const struct edge *e, const struct xfed_s2s_info *info, enum xfed_reason reason)
{
	bool is_wordless = reason == XFED_REASON_NET_STREAM_LOST || reason == XFED_REASON_STREAM_CLOSED_PEER;
	if (!is_wordless || !info->is_secure || info->is_authenticated) {
		return NULL;
	}
	const struct xfed_cert *cert;
	for (size_t i = 0; e->creds && (cert = xfed_tls_creds_cert(e->creds, i)); i++) {
		const struct xfed_cert_facts *f = xfed_cert_facts(cert);
		for (size_t n = 0; n < f->name_count && xfed_cert_proves_xmpp(cert, info->local); n++) {
			if (strncmp(f->names[n], "xmpp:", 5) == 0) {
				return "closed without a word behind TLS; our certificate has an XmppAddr, which makes ejabberd 23.01 do that";
			}
		}
	}
	return NULL;
}

static void fill_chain(const struct edge_failure *f, Xfed__Certificate *cert, char *names[PROTO_CERT_NAMES_MAX], char subject[512], char issuer[512])
{
	const struct xfed_cert_facts *facts = xfed_cert_facts(f->cert);
	xfed__certificate__init(cert);
	cert->subject = (char *)proto_text_clean(subject, 512, facts->subject);
	cert->issuer = (char *)proto_text_clean(issuer, 512, facts->issuer);
	cert->serial_hex = (char *)facts->serial_hex;
	cert->sha256_hex = (char *)facts->sha256_hex;
	cert->not_before_s = facts->not_before_s;
	cert->not_after_s = facts->not_after_s;
	cert->eku = facts->eku;
	cert->names = names;
	for (size_t i = 0; i < facts->name_count && cert->n_names < PROTO_CERT_NAMES_MAX; i++) {
		struct xfed_span name = xfed_span_str(facts->names[i]);
		if (name.len <= PROTO_VALUE_BYTES / 16 && xfed_utf8_is_valid(name)) {
			names[cert->n_names++] = (char *)facts->names[i];
		}
	}
}

void edge_failure_send(struct edge *e, const struct edge_failure *f)
{
	Xfed__Frame frame = XFED__FRAME__INIT;
	Xfed__FailureEvent m = XFED__FAILURE_EVENT__INIT;
	Xfed__Step steps[STEPS_MAX], *list[STEPS_MAX];
	Xfed__Certificate cert, *chain[1] = { &cert };
	char subject[512], issuer[512], text[256], *names[PROTO_CERT_NAMES_MAX];
	m.at_s = edge_wall_s(e);
	m.direction = f->direction == XFED_S2S_IN ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT;
	m.local = (char *)f->local;
	m.remote = (char *)f->remote;
	m.reason = (char *)xfed_reason_code(f->reason);
	m.side = (char *)xfed_side_name(f->side);
	m.text = (char *)proto_text_clean(text, sizeof(text), f->text ? f->text : "");
	for (size_t i = 0; f->steps && i < f->steps->count; i++) {
		xfed__step__init(&steps[i]);
		steps[i].at_ms = f->steps->list[i].at_ms;
		steps[i].step = (char *)f->steps->list[i].step;
		steps[i].ok = f->steps->list[i].ok;
		steps[i].detail = (char *)f->steps->list[i].detail;
		list[m.n_steps++] = &steps[i];
	}
	m.steps = list;
	if (f->cert) {
		fill_chain(f, &cert, names, subject, issuer);
		m.chain = chain;
		m.n_chain = 1;
	}
	frame.body_case = XFED__FRAME__BODY_FAILURE_EVENT;
	frame.failure_event = &m;
	edge_links_send(e, &frame);
}
