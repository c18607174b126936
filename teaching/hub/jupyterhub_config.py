"""What a NanoChat class needs of its JupyterHub, on one computer with The Littlest JupyterHub or any other hub.

For The Littlest JupyterHub, copy this file to /opt/tljh/config/jupyterhub_config.d/nanochat.py. It says nothing about
addresses, passwords or who may log in: that stays with your hub. NanoChat's tests start a hub with this very file.
"""

import os

c = get_config()  # noqa: F821 (JupyterHub brings it)

# One copy of the models for all. Its owner is root, so that students can read it and nobody can change it.
CACHE = os.environ.get("NANOCHAT_CACHE", "/srv/nanochat/models")

# Where warm_kernels.py has put its kernel. Where it does not run, kernels start in the usual way.
KERNELS = os.environ.get("NANOCHAT_KERNELS", "/srv/nanochat/jupyter")

c.Spawner.environment = {
    "JUPYTER_PATH": KERNELS,
    "NANOCHAT_CACHE": CACHE,
    "NANOCHAT_OFFLINE": "1",  # what is not in the cache is not fetched thirty times
    # One thread a student: thirty that each take all cores are slower than thirty that take one.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # glibc keeps what was freed, for speed. These three lines give it back to the other students.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    # torch keeps a program for each length of text that it met, up to 1024 of them: about 100 MB in one lesson.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32",
}

# Limits, where the spawner knows how (The Littlest JupyterHub, Docker and Kubernetes do). A student who runs into the
# first loses a kernel, and nobody else notices. The weights that all share count once for the whole class.
c.Spawner.mem_limit = "1G"
c.Spawner.cpu_limit = 1.0
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 120  # when thirty log in at the same minute
c.JupyterHub.concurrent_spawn_limit = 10
c.JupyterHub.active_server_limit = 60

c.Spawner.args = [
    # A kernel that nobody has used for half an hour ends, and a server without kernels half an hour later.
    "--MappingKernelManager.cull_idle_timeout=1800",
    "--MappingKernelManager.cull_interval=120",
    "--ServerApp.shutdown_no_activity_timeout=1800",
    "--ServerApp.jpserver_extensions=nbgitpuller=True",  # the links to the lessons are its work
    # What a lesson does not need stays out of each student's memory.
    "--ServerApp.jpserver_extensions=jupyter_lsp=False",
    "--ServerApp.jpserver_extensions=notebook=False",
    "--ServerApp.terminals_enabled=False",
    "--LabApp.extension_manager=readonly",
]
