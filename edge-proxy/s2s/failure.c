/* What an attempt went through, step by step, for the gateways' journal of failures. */
#include "edge.h"

#include <stdarg.h>

#include "xfed/mem.h"

#define STEPS_MAX PROTO_FILL_STEPS

struct edge_steps {
	uint64_t began_ms;
	size_t count;
	struct {
		uint32_t at_ms;
		const char *step;
		bool ok;
		char detail[PROTO_FILL_STEP_BYTES];
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
			edge_steps_add(s, now_ms, "certificate", verdict == XFED_REASON_NONE, "%s%s%s",
				verdict == XFED_REASON_NONE ? "" : xfed_reason_code(verdict), verdict == XFED_REASON_NONE ? "" : ": ", f->subject);
		} else {
			edge_steps_add(s, now_ms, "certificate", false, "none was presented");
		}
	}
	const char *step = is_cert			    ? NULL
			   : starts_with(code, "tls.")	    ? "tls"
			   : starts_with(code, "sasl.")	    ? "sasl"
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

static void send_failure(struct edge *e, const struct proto_failure *m, uint32_t repeated)
{
	static struct proto_fill_failure out; /* large, and the loop has one thread */
	proto_fill_failure(&out, m);
	out.m.repeated_count = repeated;
	edge_links_send(e, &out.frame);
}

/* The network and, where policy lists it, the name under which the failures of a stranger are folded. */
static bool may_tell(struct edge *e, const struct edge_failure *f, const struct proto_failure *m)
{
	char network[RT_SOURCE_TEXT] = "";
	struct rt_addr a;
	if (m->address && rt_addr_parse(&a, xfed_span_str(m->address), 0) == XFED_OK) {
		rt_source_text(&a, RT_SOURCE_NETWORK, network);
	}
	const struct xfed_partner *p = e->policy ? xfed_policy_partner(e->policy, xfed_span_str(f->remote)) : NULL;
	return proto_fold_take(e->strangers, xfed_span_str(network), xfed_span_str(p ? p->domain : ""), m, rt_loop_now_ms(e->core.d.loop));
}

void edge_failure_send(struct edge *e, const struct edge_failure *f)
{
	struct proto_fill_step steps[STEPS_MAX];
	struct proto_failure m = {
		.at_s = edge_wall_s(e),
		.direction = f->direction == XFED_S2S_IN ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT,
		.local = f->local,
		.remote = f->remote,
		.text = f->text,
		.address = f->address,
		.reason = f->reason,
		.side = f->side,
		.steps = steps,
		.cert = f->cert ? xfed_cert_facts(f->cert) : NULL,
	};
	for (size_t i = 0; f->steps && i < f->steps->count; i++) {
		steps[m.step_count++] =
			(struct proto_fill_step){ f->steps->list[i].at_ms, f->steps->list[i].step, f->steps->list[i].ok, f->steps->list[i].detail };
	}
	/* Who comes in and fails has proved nothing, nor has the stranger whose key had us ask. */
	bool is_ours = f->direction == XFED_S2S_OUT && !f->address;
	if (is_ours || may_tell(e, f, &m)) {
		send_failure(e, &m, 0);
	}
}

void edge_failures_tick(struct edge *e, uint64_t now_ms)
{
	struct proto_failure m;
	uint32_t repeated;
	/* The rest with the next tick: a link has room for so many at once. */
	for (size_t n = 0; n < XFED_FOLD_ALL && proto_fold_next(e->strangers, now_ms, &m, &repeated); n++) {
		send_failure(e, &m, repeated);
	}
}
