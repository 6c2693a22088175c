/*
 * Our own certificates in the problems of `status` and in the metrics. Apart from the other parts of answers because xfedctl needs those,
 * and is linked without a TLS library.
 */
#include "xfed/rt/control.h"

#include <time.h>

#include "xfed/rt/daemon.h"
#include "xfed/rt/process.h"

enum xfed_reason rt_cert_problem(const struct xfed_cert *cert, int64_t now_s)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	return f->not_after_s < now_s ? XFED_REASON_TLS_OWN_EXPIRED : f->not_before_s > now_s ? XFED_REASON_TLS_OWN_NOT_YET_VALID : XFED_REASON_NONE;
}

void rt_conf_check_certificate(struct rt_conf_doc *doc, const void *object, const char *key, const struct xfed_cert *cert)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	int64_t now_s = (int64_t)time(NULL);
	enum xfed_reason reason = rt_cert_problem(cert, now_s);
	bool is_over = reason == XFED_REASON_TLS_OWN_EXPIRED;
	char when[24], now[24];
	if (reason != XFED_REASON_NONE) {
		rt_conf_warn(doc, object, key, reason, "our certificate %.200s %s (%.10s; it is %.10s by this host's clock)", f->subject,
			is_over ? "has expired" : "is not valid yet", rt_control_time(is_over ? f->not_after_s : f->not_before_s, when),
			rt_control_time(now_s, now));
	}
}

static void add_certificate(json_t *list, const struct xfed_cert *cert, int64_t now_s)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	char when[24], now[24];
	enum xfed_reason reason = rt_cert_problem(cert, now_s);
	rt_control_time(now_s, now);
	if (reason == XFED_REASON_TLS_OWN_NOT_YET_VALID) {
		rt_control_add_problem(list, reason, now_s,
			"Our certificate %.200s is not valid before %s, and it is %s by this host's clock: where that is wrong set it (timedatectl); "
			"else "
			"take one that is valid now, and reload.",
			f->subject, rt_control_time(f->not_before_s, when), now);
	} else if (reason == XFED_REASON_TLS_OWN_EXPIRED) {
		rt_control_add_problem(list, reason, f->not_after_s,
			"Our certificate %.200s has expired, at %s: renew it, and reload. It is %s by this host's clock: where that is wrong set it "
			"(timedatectl) instead.",
			f->subject, rt_control_time(f->not_after_s, when), now);
	} else if (f->not_after_s < now_s + RT_CERT_SOON_S) {
		rt_control_add_problem(list, XFED_REASON_TLS_OWN_EXPIRED, f->not_after_s,
			"Our certificate %.200s expires within 14 days, at %s: renew it, and reload.", f->subject,
			rt_control_time(f->not_after_s, when));
	}
}

void rt_control_add_certificates(json_t *list, const struct xfed_tls_creds *creds, int64_t now_s)
{
	const struct xfed_cert *cert;
	for (size_t i = 0; creds && (cert = xfed_tls_creds_cert(creds, i)); i++) {
		add_certificate(list, cert, now_s);
	}
}

/* Certificates with the same subject, such as those of the channel and of SIP, are one metric: that of the one that expires first. */
static bool is_first_to_end(const struct xfed_cert_facts *f, const struct xfed_tls_creds *const *sets, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		const struct xfed_cert *cert;
		for (size_t i = 0; sets[k] && (cert = xfed_tls_creds_cert(sets[k], i)); i++) {
			const struct xfed_cert_facts *other = xfed_cert_facts(cert);
			if (strcmp(other->subject, f->subject) == 0 && other->not_after_s < f->not_after_s) {
				return false;
			}
		}
	}
	return true;
}

void rt_daemon_certificates(struct rt_daemon *d, const struct xfed_tls_creds *const *sets, size_t count)
{
	rt_metric_clear(d->metrics, RT_M_CERTIFICATE_NOT_AFTER, 1, XFED_SPAN("us")); /* they may have been replaced by a reload */
	for (size_t k = 0; k < count; k++) {
		const struct xfed_cert *cert;
		for (size_t i = 0; sets[k] && (cert = xfed_tls_creds_cert(sets[k], i)); i++) {
			const struct xfed_cert_facts *f = xfed_cert_facts(cert);
			if (is_first_to_end(f, sets, count)) {
				rt_metric_set(d->metrics, RT_M_CERTIFICATE_NOT_AFTER, (double)f->not_after_s,
					RT_LABELS(xfed_span_str(f->subject), XFED_SPAN("us")));
			}
		}
	}
}
