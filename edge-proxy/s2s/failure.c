/* The steps an attempt went through, which are reported with its failure. */
#include "s2s/s2s_impl.h"

#include <stdarg.h>

#include "xfed/mem.h"

#define STEPS_MAX PROTO_FILL_STEPS

struct s2s_steps {
	uint64_t began_ms;
	size_t count;
	struct {
		uint32_t at_ms;
		const char *step;
		bool ok;
		char detail[PROTO_FILL_STEP_BYTES];
	} list[STEPS_MAX];
};

/* The list is made with the first step and freed when the stream is ready, so that an idle stream has none. */
void s2s_steps_add(struct s2s_steps **list, uint64_t now_ms, const char *step, bool ok, const char *fmt, ...)
{
	if (!*list) {
		*list = xfed_calloc(1, sizeof(**list));
		if (!*list) {
			return; /* without memory the failure is reported without this step */
		}
		(*list)->began_ms = now_ms;
	}
	if ((*list)->count == STEPS_MAX) {
		return;
	}
	size_t i = (*list)->count++;
	char raw[sizeof((*list)->list[i].detail)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(*list)->list[i].at_ms = (uint32_t)(now_ms - (*list)->began_ms);
	(*list)->list[i].step = step;
	(*list)->list[i].ok = ok;
	proto_text_clean((*list)->list[i].detail, sizeof((*list)->list[i].detail), raw);
}

void s2s_steps_free(struct s2s_steps **list)
{
	xfed_free(*list);
	*list = NULL;
}

static bool starts_with(const char *code, const char *area)
{
	return strncmp(code, area, strlen(area)) == 0;
}

/* Adds how far a stream got before it ended with `reason`: TLS, certificate, authentication. */
void s2s_steps_of_stream(struct s2s_steps **list, uint64_t now_ms, const struct xfed_s2s_info *info, enum xfed_reason reason, const char *text)
{
	const char *code = xfed_reason_code(reason);
	bool is_cert = starts_with(code, "tls.cert.");
	if (info->is_secure) {
		s2s_steps_add(list, now_ms, "tls", true, "%s %s", info->tls.version, info->tls.cipher);
		if (info->tls.peer) {
			const struct xfed_cert_facts *f = xfed_cert_facts(info->tls.peer);
			enum xfed_reason verdict = is_cert ? reason : info->cert_reason;
			s2s_steps_add(list, now_ms, "certificate", verdict == XFED_REASON_NONE, "%s%s%s",
				verdict == XFED_REASON_NONE ? "" : xfed_reason_code(verdict), verdict == XFED_REASON_NONE ? "" : ": ", f->subject);
		} else {
			s2s_steps_add(list, now_ms, "certificate", false, "none was presented");
		}
	}
	const char *step = is_cert			    ? NULL
			   : starts_with(code, "tls.")	    ? "tls"
			   : starts_with(code, "sasl.")	    ? "sasl"
			   : starts_with(code, "dialback.") ? "dialback"
							    : "stream";
	if (step) {
		s2s_steps_add(list, now_ms, step, false, "%s%s%s", code, text[0] ? ": " : "", text);
	}
}

/*
 * ejabberd up to 23.01 ends the stream without an error when our certificate names a domain as XmppAddr (its process crashes on reading
 * it). Nothing on the wire tells the reason, so it is suggested here.
 */
const char *s2s_failure_suspicion(const struct s2s *s, const struct xfed_s2s_info *info, enum xfed_reason reason)
{
	bool is_wordless = reason == XFED_REASON_NET_STREAM_LOST || reason == XFED_REASON_STREAM_CLOSED_PEER;
	if (!is_wordless || !info->is_secure || info->is_authenticated) {
		return NULL;
	}
	const struct xfed_cert *cert;
	for (size_t i = 0; s->creds && (cert = xfed_tls_creds_cert(s->creds, i)); i++) {
		const struct xfed_cert_facts *f = xfed_cert_facts(cert);
		for (size_t n = 0; n < f->name_count && xfed_cert_proves_xmpp(cert, info->local); n++) {
			if (strncmp(f->names[n], "xmpp:", 5) == 0) {
				return "closed without a word behind TLS; our certificate has an XmppAddr, which makes ejabberd 23.01 do that";
			}
		}
	}
	return NULL;
}

void s2s_failure_send(struct s2s *s, struct proto_failure *f, const struct s2s_steps *steps)
{
	struct proto_fill_step list[STEPS_MAX];
	for (size_t i = 0; steps && i < steps->count; i++) {
		list[i] = (struct proto_fill_step){ steps->list[i].at_ms, steps->list[i].step, steps->list[i].ok, steps->list[i].detail };
	}
	f->at_s = core_wall_s(s->core);
	f->steps = list;
	f->step_count = steps ? steps->count : 0;
	/* An incoming stream that fails has authenticated nobody, and a key whose verification failed came from a stranger. */
	bool is_ours = f->direction == XFED__DIRECTION__DIRECTION_OUT && !f->address;
	s->user->failed(s->user_data, f, !is_ours);
}
