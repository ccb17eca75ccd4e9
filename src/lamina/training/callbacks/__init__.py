"""Callbacks: what happens between the steps of training."""

from lamina.training.callbacks.backup import BackupAndRestore
from lamina.training.callbacks.bar import ProgbarLogger, ProgressBar
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.checkpoint import ModelCheckpoint
from lamina.training.callbacks.ema import SwapEMAWeights
from lamina.training.callbacks.history import BaseLogger, History, LambdaCallback
from lamina.training.callbacks.monitor import EarlyStopping
from lamina.training.callbacks.rate import LearningRateScheduler, ReduceLROnPlateau
from lamina.training.callbacks.record import CSVLogger, RemoteMonitor, TerminateOnNaN
from lamina.training.callbacks.several import CallbackList
from lamina.training.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "BaseLogger",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ProgressBar",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
