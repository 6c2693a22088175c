/* One command for certificates, from its words to what is told at the end: what was done, what is worth knowing, what comes next. */
#ifndef XFEDCTL_CERT_RUN_H
#define XFEDCTL_CERT_RUN_H

#include "cert_host.h"
#include "cert_plan.h"

struct cert_run {
	const struct ctl_options *options;
	const json_t *args;
	struct cert_hosts hosts;
	struct cert_plan plan;
	json_t *done, *notes, *next; /* sentences */
	int64_t now_s;
	char error[CERT_ERROR];
};

/* FINE, or the exit status when why has been told. Has to be closed in any case. */
enum ctl_exit cert_run_open(struct cert_run *r, enum cert_wanted wanted, const json_t *args, const struct ctl_options *options);
/* Where one service is meant, and several are configured: USAGE when that has been told. */
enum ctl_exit cert_run_choose(struct cert_run *r);
/* Tells `r->error`, and returns PROBLEM. `rc`: an error of ours; NOMEM has words of its own. */
enum ctl_exit cert_run_refuse(struct cert_run *r, int rc);
enum ctl_exit cert_run_fail(struct cert_run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Tells what was done, and returns FINE. */
enum ctl_exit cert_run_tell(struct cert_run *r);
void cert_run_close(struct cert_run *r);

void cert_run_add(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An argument of the command; NULL: not given. */
const char *cert_run_arg(const struct cert_run *r, const char *key);

/*
 * The files of the plan into their places, then the service, where it runs, reads them; where it does not want them they are taken out
 * again. FINE, or PROBLEM when why has been told.
 */
enum ctl_exit cert_run_commit(struct cert_run *r, const struct cert_host *h);

#endif
