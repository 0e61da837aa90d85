# SPDX-License-Identifier: Apache-2.0
"""Why something stopped.  The docstring is the sentence people read; `hint` says what to do next.

Whether a failure is tried again is a property of its class (`retryable`), not of the place that caught it.
"""

from imaging_data import ExplainedError


class GantryError(ExplainedError):
    """Something in Gantry went wrong."""

    hint = "See the job's events and app.log."


class BadConfiguration(GantryError):
    """The configuration is wrong."""

    hint = "Correct the named key; informatics-gateway/gantry.example.toml shows every key."


class NoSuchProfile(BadConfiguration):
    """The app has no such profile."""

    hint = "Correct `profile` of the [[route]], or --profile; `gantry apps list` shows each app's profiles."


# receive


class RefusedInstance(GantryError):
    """The instance was refused."""

    hint = "`gantry quarantine show` says why and how to bring it back."


class ConflictingInstance(RefusedInstance):
    """Another instance with this SOPInstanceUID and other content is already stored."""

    hint = "Correct the sender: one UID must never stand for two contents. The stored one was kept."


# assemble and route


class MixedIdentity(GantryError):
    """The instances of one series carry more than one patient or study identity."""

    hint = "Correct the series in the archive and send it again."


class NoMatchingRoute(GantryError):
    """No route takes this series."""

    hint = "`gantry routes test PATH` shows each route's rule against the series; then `gantry quarantine release`."


# execute


class AppFailed(GantryError):
    """The app ended with an error."""

    hint = "Read app.log in the job's folder, then `gantry jobs retry`."


class AppOutOfTime(AppFailed):
    """The app ran out of time and was ended."""

    hint = "Raise timeout_s of the app, or look in app.log for where it hung; then `gantry jobs retry`."


class AppOutOfMemory(AppFailed):
    """The app ran out of memory and was ended."""

    hint = "Raise memory_mb of the app, or send a smaller series; then `gantry jobs retry`."


class AppOutOfGpuMemory(AppOutOfMemory):
    """The app ran out of GPU memory."""

    hint = "Give the app a card with more memory, or a `cheaper` profile; then `gantry jobs retry`."


class WaitsForGpu(GantryError):
    """The job waits for a GPU."""

    hint = "It starts by itself; `scripts/gpu-check` shows what the GPUs have."
    retryable = True


class AppCrashed(AppFailed):
    """The app's process died."""

    retryable = True


class AppWroteNoManifest(AppFailed):
    """The app ended without writing results.json, so nothing it wrote is taken."""


class AppRefused(AppFailed):
    """The app cannot work on this series."""

    hint = "Send a series that the app's rule accepts."


class AppLacksModels(AppFailed):
    """A model of the app is missing, or is not the one that model.lock names."""

    hint = "Run `scripts/fetch-models NAME`, then `gantry jobs retry`."


class EngineUnavailable(GantryError):
    """The container engine does not answer."""

    hint = "See whether `podman info` (or `docker info`) answers, then `gantry jobs retry`."
    retryable = True


class EngineRefused(AppFailed):
    """The container engine did not do what it was asked."""

    hint = "`gantry doctor` looks at the engine and at the image; then `gantry jobs retry`."


class ImageUnavailable(AppFailed):
    """The app's image is not on this machine."""

    hint = "Build or load the image, or correct `image` of the [[app]]; `gantry doctor` looks for it."


class RegistryUnavailable(ImageUnavailable):
    """The app's image is not on this machine, and its registry does not give it."""

    hint = "See that this machine reaches the registry and may read from it, or load the image from a file."
    retryable = True


class RayUnavailable(GantryError):
    """The Ray cluster does not answer, or does not take this gateway's token."""

    hint = "See whether `ray status` answers with the same token, and `address` of [ray]; docs/scale.md."
    retryable = True


class RayRefused(GantryError):
    """There is no token for the Ray cluster."""

    hint = "Give the cluster's token, with `token_file` of [ray] or in ~/.ray/auth_token; docs/scale.md."


class RayOpen(GantryError):
    """The Ray cluster takes whoever comes: it asks for no token."""

    hint = "Set RAY_AUTH_MODE=token on every node, with the same token, and start them anew; docs/scale.md."


class NodeRefused(AppFailed):
    """A node of the Ray cluster could not run the app."""

    hint = "Install the same Gantry and the same apps on every node; docs/scale.md. Then `gantry jobs retry`."


class NodeLost(AppFailed):
    """The node of the Ray cluster was lost while the app ran, twice."""

    hint = "See whether the app takes its nodes down, before `gantry jobs retry`."


class JobCancelled(GantryError):
    """The job was cancelled."""

    hint = "`gantry jobs retry` takes it up again."


class CrashLoop(AppFailed):
    """The app was started as often as is allowed and never came to an end."""


class GatewayFault(GantryError):
    """A fault in Gantry itself stopped this step."""

    hint = "The log of `gantry serve` holds the trace; report it, then `gantry jobs retry`."


class RouteRemoved(GantryError):
    """The job's route is no longer in the configuration."""

    hint = "Put the route back and restart, then `gantry jobs retry`."


class NoSuchJob(GantryError):
    """This cannot be done with that job."""

    hint = "`gantry jobs list` shows the jobs."


class GatewayRefused(GantryError):
    """The gateway refused."""


class NoSuchApp(GantryError):
    """The configuration has no such app."""

    hint = "Give the `name` of one of the [[app]] tables."


class NotRunning(GantryError):
    """The gateway is not running on this storage folder."""

    hint = "Start `gantry serve` with the same configuration."


# validate


class InvalidResult(GantryError):
    """The app produced a result that must not leave the gateway."""

    hint = "Nothing was sent. Report it to the app's author with the job's folder."


# deliver


class DestinationUnavailable(GantryError):
    """The destination could not be reached or did not answer."""

    hint = "It is tried again by itself; `gantry doctor` tests the destination."
    retryable = True


class DestinationRefused(GantryError):
    """The destination refuses the results."""

    hint = "Correct the destination, then `gantry jobs retry`; the same bytes are sent again."


class DestinationHoldsOther(DestinationRefused):
    """The destination holds another content under this SOPInstanceUID."""

    hint = "Find out who stored it: a UID never stands for two contents. Nothing was overwritten."
