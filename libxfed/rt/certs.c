/*
 * Certificates of ours among the problems of `status` and the metrics. Apart from the other parts of answers: the operators' command needs
 * those and is linked with no TLS library.
 */
#include "xfed/rt/control.h"

#include <stdio.h>
#include <time.h>

#include "xfed/rt/daemon.h"
#include "xfed/rt/process.h"

/* "CN=fe.example has expired (2026-11-30)"; false: nothing is wrong with it now. */
static bool what_is_wrong(const struct xfed_cert_facts *f, int64_t now_s, char out[320])
{
	bool is_over = f->not_after_s < now_s;
	time_t when = (time_t)(is_over ? f->not_after_s : f->not_before_s);
	char day[16] = "";
	struct tm tm;
	if (gmtime_r(&when, &tm)) {
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	}
	snprintf(out, 320, "our certificate %.200s %s (%s)", f->subject, is_over ? "has expired" : "is not valid yet", day);
	return is_over || f->not_before_s > now_s;
}

void rt_conf_check_certificate(struct rt_conf_doc *doc, const void *object, const char *key, const struct xfed_cert *cert)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	int64_t now_s = (int64_t)time(NULL);
	char text[320];
	if (what_is_wrong(f, now_s, text)) {
		rt_conf_warn(
			doc, object, key, f->not_after_s < now_s ? XFED_REASON_TLS_CERT_EXPIRED : XFED_REASON_TLS_CERT_NOT_YET_VALID, "%s", text);
	}
}

void rt_control_add_certificates(json_t *list, const struct xfed_tls_creds *creds, int64_t now_s)
{
	const struct xfed_cert *cert;
	for (size_t i = 0; creds && (cert = xfed_tls_creds_cert(creds, i)); i++) {
		const struct xfed_cert_facts *f = xfed_cert_facts(cert);
		if (f->not_after_s < now_s + RT_CERT_SOON_S) {
			char end[24];
			rt_control_add_problem(list, XFED_REASON_TLS_OWN_EXPIRED, f->not_after_s,
				"Our certificate %.200s %s, at %s: renew it, and reload.", f->subject,
				f->not_after_s < now_s ? "has expired" : "expires within 14 days", rt_control_time(f->not_after_s, end));
		}
	}
}

/* Two of one subject, such as those of the channel and of SIP, are one metric: the one that ends first. */
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
	rt_metric_clear(d->metrics, RT_M_CERTIFICATE_NOT_AFTER, 1, XFED_SPAN("us")); /* a reload may have replaced them */
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
