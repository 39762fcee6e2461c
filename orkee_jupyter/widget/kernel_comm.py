"""How a dashboard's messages pass through the kernel: beside its cells, not as part of one."""

from __future__ import annotations

import sys
from typing import Any

from comm.base_comm import BaseComm


def kernel_comm(model: str | None, data: dict[str, Any], metadata: dict[str, Any]) -> Any:
    """Open and return a widget's comm in an ipykernel; None where there is another kernel."""
    base = sys.modules.get("ipykernel.kernelbase")
    if base is None or not base.Kernel.initialized():
        return None
    return KernelComm("jupyter.widget", data=data, metadata=metadata, comm_id=model)


class KernelComm(BaseComm):
    """A comm that belongs to no cell.

    The comm of ipykernel makes every message part of the cell that happens to run, also those
    from another thread. And what a page then says goes to the thread of that cell: it waits for
    the cell to end, where JupyterLab has asked for a thread for comms alone (a subshell).
    """

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
        **keys: Any,
    ) -> None:
        """Send a message to the page. May be called in any thread."""
        kernel_class = sys.modules["ipykernel.kernelbase"].Kernel
        if not kernel_class.initialized():
            return
        kernel = kernel_class.instance()
        if kernel.session is None:
            return
        kernel.session.send(
            kernel.iopub_socket,
            msg_type,
            {"data": data or {}, "comm_id": self.comm_id, **keys},
            metadata=metadata or {},
            parent={},
            ident=self.topic,
            buffers=buffers,
        )

    def handle_msg(self, msg: dict[str, Any]) -> None:
        """Take a message of the page.

        The hooks that run before and after a cell are for cells: they show its plots.
        """
        if self._msg_callback is not None:
            self._msg_callback(msg)
