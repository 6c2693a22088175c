/* What a daemon does before its loop runs: a clean environment, initialising libraries, credentials from PEM files. */
#ifndef XFED_RT_PROCESS_H
#define XFED_RT_PROCESS_H

#include "xfed/base.h"
#include "xfed/rt/conf.h"
#include "xfed/tls.h"

#define RT_PEM_BYTES	 (4 * 1024 * 1024) /* of one file, and of all authorities together */
#define RT_PEM_PAIRS_MAX 64		   /* certificates of one set */
#define RT_SYSTEM_CA	 "/etc/ssl/certs/ca-certificates.crt"

/*
 * The command line of a daemon: [-c FILE | --config FILE] [--user NAME] [--check-config] [--version] [--help].
 *
 * Each member of `out` keeps what it was where its option is not given; it points into `argv` otherwise. -1: go on. Else the exit status, 0
 * or 2, and what was asked for, or the usage, has been printed. Once per process, after rt_clean_environment().
 */
struct rt_arguments {
	const char *config;
	const char *user; /* whom root becomes; NULL: not given */
	bool check_only;
};
int rt_arguments_read(int argc, char **argv, const char *program, struct rt_arguments *out);

/*
 * Root only starts a service, which then is the user `a->user`, or where that is NULL the one named like the program: before it reads a
 * file, so that it can read again at a reload what it reads at the start. It is an option and no key of the configuration because a file would be
 * read as root to find it, and whoever may edit the file could make the service root.
 *
 * A check without `a->user` reads as the service would: as root where there is no such user, or where he cannot read the
 * configuration at all, which is then being tried out by somebody. -1: continue; else the exit status, and a sentence has been printed.
 */
int rt_become(const struct rt_arguments *a, const char *program);

/* Unsets variables that make libraries write secrets or load code. The first call in main(). */
void rt_clean_environment(void);

/* Sets the hash key, initialises XML and TLS. OK, or the error of the library. Once per process, before any thread. */
int rt_global_init(void);
void rt_global_deinit(void);

/* Writes all problems to standard error, as --check-config and a failed start do. */
void rt_print_problems(const struct rt_conf_errors *errors);
/* Writes a log line for each, as a reload does. */
void rt_log_problems(const struct rt_conf_errors *errors);

struct rt_pem_pair {
	const char *certificate, *key; /* paths */
};
struct rt_pem_files {
	const struct rt_pem_pair *pairs;
	size_t pair_count;
	const char *ca; /* a path, or "system"; NULL: none */
	const char *const *crls;
	size_t crl_count;
};
/* Reads the files and makes the credentials; keys are wiped. XFED_OK, or an error with one sentence in `error`. */
int rt_creds_load(const struct rt_pem_files *files, struct xfed_tls_creds **out, char error[256]);
/* Warns, at `key` of `object`, if this certificate of ours is not valid now. */
void rt_conf_check_certificate(struct rt_conf_doc *doc, const void *object, const char *key, const struct xfed_cert *cert);

#endif
