/* TLS of a SIP connection: data through the session, and the handshake as jobs. */
#include "trunk/sip_conn.h"

#include <stdio.h>

#include "xfed/rt/control.h"

/* ---- data ---- */

bool sip_conn_tls_flush(struct sip_conn *c)
{
	struct xfed_buf *from = xfed_tls_output(c->tls);
	if (xfed_buf_len(from) == 0) {
		return true;
	}
	if (xfed_buf_append(rt_stream_out(c->stream), xfed_buf_span(from)) != XFED_OK) {
		return false;
	}
	xfed_buf_consume(from, xfed_buf_len(from));
	rt_stream_kick(c->stream);
	return true;
}

/* After the handshake, only an alert about our certificate says who has to act, so it gets its own reason. */
static void fail(struct sip_conn *c)
{
	bool is_ours = xfed_tls_reason(c->tls) == XFED_REASON_TLS_CERT_REFUSED;
	if (is_ours) {
		core_count_refusal(c->trunk->core, XFED_REASON_TLS_CERT_REFUSED, XFED_SIDE_OPERATOR);
	}
	sip_conn_close_because(c, is_ours ? XFED_REASON_TLS_CERT_REFUSED : XFED_REASON_NONE, xfed_tls_error_text(c->tls));
}

void sip_conn_tls_read(struct sip_conn *c)
{
	XFED_UNSET char plain[16384];
	size_t len;
	while (!c->is_dying) {
		switch (xfed_tls_read(c->tls, plain, sizeof(plain), &len)) {
		case XFED_TLS_DONE:
			sip_conn_take(c, xfed_span_make(plain, len));
			break;
		case XFED_TLS_WANT_INPUT:
			sip_conn_tls_flush(c);
			return;
		case XFED_TLS_CLOSED:
			sip_conn_close_later(c, "");
			return;
		case XFED_TLS_FAILED:
			fail(c);
			return;
		}
	}
}

/* ---- the certificate ---- */

/* Why the certificate of a server we connected to is not acceptable. Peers that connected to us are judged with each request. */
static enum xfed_reason server_problem(const struct sip_conn *c)
{
	struct trust_peer server = { .transport = SIP_TLS, .cert = c->facts.peer, .chain_reason = c->facts.chain_reason };
	return c->is_client ? trust_server(&server, xfed_span_str(c->target.tls_name)) : XFED_REASON_NONE;
}

static struct xfed_tls_creds *creds_of(const struct sip_conn *c)
{
	return c->is_outside ? c->trunk->files.outside : c->trunk->files.creds;
}

static void judge_chain(struct sip_conn *c)
{
	c->facts.chain_reason = xfed_tls_judge_again(c->tls, creds_of(c), core_wall_s(c->trunk->core));
	int64_t due_s = xfed_tls_judge_due_s(c->tls);
	c->trunk->certs_due_s = due_s < c->trunk->certs_due_s ? due_s : c->trunk->certs_due_s;
}

enum xfed_reason sip_conn_judge_chain(struct sip_conn *c)
{
	bool was_good = c->facts.chain_reason == XFED_REASON_NONE;
	judge_chain(c);
	return was_good ? c->facts.chain_reason : XFED_REASON_NONE;
}

/* ---- the handshake ---- */

/* Words for other findings than names and CA, with what to do. */
static const char *finding(enum xfed_reason reason)
{
	switch (reason) {
	case XFED_REASON_TLS_CERT_MISSING:
		return "it showed none: set one up there";
	case XFED_REASON_TLS_CERT_EXPIRED:
		return "it or one of its chain has expired: have it renewed";
	case XFED_REASON_TLS_CERT_NOT_YET_VALID:
		return "it or one of its chain is not valid yet: have one made that is";
	case XFED_REASON_TLS_CERT_WEAK:
		return "a key or signature of its chain is too weak: have a new one made";
	case XFED_REASON_TLS_CERT_PURPOSE:
		return "it is not for servers: have one made with serverAuth";
	default:
		return "have it renewed";
	}
}

/* Says what is wrong with the certificate of the SIP server, and what to do. */
static const char *server_words(const struct sip_conn *c, enum xfed_reason reason, char out[TRUNK_WHY_BYTES])
{
	const struct xfed_cert_facts *f = c->facts.peer ? xfed_cert_facts(c->facts.peer) : NULL;
	char names[90];
	trunk_cert_names(f, names, sizeof(names));
	if (reason == XFED_REASON_TLS_CERT_NAME_MISMATCH && f) {
		snprintf(out, TRUNK_WHY_BYTES, "the certificate of the SIP server has %s and not %.50s: set domains[].tls_name, or have it renewed",
			names[0] ? names : "no names", c->target.tls_name);
	} else if (reason == XFED_REASON_TLS_CERT_UNTRUSTED && f) {
		snprintf(out, TRUNK_WHY_BYTES,
			"the certificate of the SIP server is signed by %.80s: sip.ca has to have that CA, or the server to give its chain",
			f->issuer);
	} else {
		bool has_dates = f && (reason == XFED_REASON_TLS_CERT_EXPIRED || reason == XFED_REASON_TLS_CERT_NOT_YET_VALID);
		int len = snprintf(out, TRUNK_WHY_BYTES, "the certificate of the SIP server: %s", finding(reason));
		if (has_dates && len > 0 && len < TRUNK_WHY_BYTES) {
			char from[24], until[24], now[24];
			snprintf(out + len, (size_t)(TRUNK_WHY_BYTES - len), " (valid from %.10s to %.10s; it is %.10s by this host's clock)",
				rt_control_time(f->not_before_s, from), rt_control_time(f->not_after_s, until),
				rt_control_time(core_wall_s(c->trunk->core), now));
		}
	}
	return out;
}

static void handshake_done(struct sip_conn *c)
{
	char words[TRUNK_WHY_BYTES];
	xfed_tls_facts(c->tls, &c->facts);
	judge_chain(c);
	enum xfed_reason reason = server_problem(c);
	if (reason != XFED_REASON_NONE) {
		core_count_refusal(c->trunk->core, reason, sip_conn_side(reason));
		sip_conn_close(c, reason, server_words(c, reason, words));
		return;
	}
	rt_metric_add(c->trunk->core->d.metrics, RT_M_TLS, 1, RT_LABELS(xfed_span_str(c->facts.version), xfed_span_str(c->facts.cipher)));
	sip_conn_tls_flush(c);
	sip_conn_opened(c);
	sip_conn_tls_read(c);
	sip_conn_rearm(c);
	rt_stream_resume(c->stream);
}

static void run_job(void *arg)
{
	struct sip_conn *c = arg;
	c->job_result = xfed_tls_handshake_step(c->tls);
}

static void job_done(void *arg)
{
	struct sip_conn *c = arg;
	if (c->is_closed) {
		sip_conn_free(c);
		return;
	}
	switch (c->job_result) {
	case XFED_TLS_DONE:
		handshake_done(c);
		break;
	case XFED_TLS_WANT_INPUT:
		sip_conn_tls_flush(c);
		rt_stream_resume(c->stream);
		break;
	case XFED_TLS_CLOSED:
	case XFED_TLS_FAILED:
		sip_conn_tls_flush(c); /* an alert may tell the peer why */
		c->is_open = true;     /* so that the alert is written before the connection is closed */
		core_count_refusal(c->trunk->core, xfed_tls_reason(c->tls), sip_conn_side(xfed_tls_reason(c->tls)));
		sip_conn_close(c, xfed_tls_reason(c->tls), xfed_tls_error_text(c->tls));
		break;
	}
}

void sip_conn_tls_step(struct sip_conn *c)
{
	rt_job_start(&c->job, c->trunk->core->d.loop, run_job, job_done, c);
}

static enum xfed_tls_version oldest(const struct sip_conn *c)
{
	const struct config *config = c->trunk->files.config;
	return c->is_client ? config_tls_min(config, xfed_span_str(c->target.tls_name)) : config->sip.tls_min;
}

bool sip_conn_is_old(const struct sip_conn *c)
{
	return c->facts.number < oldest(c);
}

int sip_conn_tls_new(struct sip_conn *c)
{
	struct xfed_span name = xfed_span_str(c->target.tls_name);
	bool is_name = c->is_client && name.len > 0 && !sip_host_is_address(name);
	struct xfed_tls_params params = {
		.role = c->is_client ? XFED_TLS_CLIENT : XFED_TLS_SERVER,
		.name = is_name ? name : XFED_SPAN(""),
		.local_name = XFED_SPAN(""),
		.alpn = XFED_SPAN(""),
		.oldest = oldest(c),
		.takes_cbc = c->trunk->files.config->has_lync,
	};
	struct xfed_tls_creds *creds = creds_of(c);
	return creds ? xfed_tls_new(&c->trunk->core->d.env, creds, &params, &c->tls) : XFED_ERR_STATE;
}
